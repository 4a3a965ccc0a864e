package config

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

func valid() App {
	a := Default()
	a.Name, a.Command, a.Workers = "shop", []string{"./server"}, 2
	a.Listen = []Listen{
		{Name: "web", Network: TCP, Address: ":8080"},
		{Name: "admin", Network: Unix, Address: "/run/shop.sock"},
	}
	return a
}

func TestDefaults(t *testing.T) {
	a := Default()
	if a.Workers != CPUs() || a.Ready.Mode != ReadyAuto || a.ReadyTimeout != 30*time.Second ||
		a.Canary != time.Second || a.DrainTimeout != 30*time.Second || a.Surge != 1 ||
		SignalName(a.StopSignal) != "SIGTERM" || a.Output != OutputAuto || !a.WatchBinary {
		t.Errorf("the defaults are %+v", a)
	}
}

func TestValidate(t *testing.T) {
	a := valid()
	if err := a.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*App)
		says   []string
	}{
		"no command": {func(a *App) {
			a.Command = nil
		}, []string{"no command given", "relevo run [flags] -- COMMAND ARG…"}},
		"empty command":    {func(a *App) { a.Command = []string{""} }, []string{"no command given"}},
		"no name":          {func(a *App) { a.Name = "" }, []string{`""`, "letters, digits", "--name"}},
		"name with slash":  {func(a *App) { a.Name = "a/b" }, []string{`"a/b"`, "--name"}},
		"no workers":       {func(a *App) { a.Workers = 0 }, []string{"0 workers", "at least 1"}},
		"no ready timeout": {func(a *App) { a.ReadyTimeout = 0 }, []string{"without patience", "ready timeout", "above 0"}},
		"no drain timeout": {func(a *App) { a.DrainTimeout = 0 }, []string{"without patience", "drain timeout", "above 0"}},
		"no surge":         {func(a *App) { a.Surge = 0 }, []string{"surge of 0", "at least 1"}},
		"name twice": {func(a *App) { a.Listen[1].Name = "web" },
			[]string{`twice under the name "web"`, ":8080", "unix:/run/shop.sock"}},
		"address twice": {func(a *App) { a.Listen[1] = Listen{Name: "b", Network: TCP, Address: ":8080"} },
			[]string{"twice on :8080", `"web"`, `"b"`}},
		"[::] beside 0.0.0.0": {func(a *App) {
			a.Listen = []Listen{{Name: "a", Network: TCP, Address: "0.0.0.0:80"}, {Name: "b", Network: TCP, Address: "[::]:80"}}
		}, []string{"[::]:80", "beside 0.0.0.0:80", "tcp6:"}},
		"all beside tcp4": {func(a *App) {
			a.Listen = []Listen{{Name: "a", Network: UDP, Address: ":53"}, {Name: "b", Network: UDP4, Address: ":53"}}
		}, []string{"udp4::53", "beside udp::53", "udp6:"}},
	} {
		a := valid()
		c.change(&a)
		t.Run(name, func(t *testing.T) { wantCannot(t, a.Validate(), c.says...) })
	}
}

func TestValidateAllows(t *testing.T) {
	for name, listen := range map[string][]Listen{
		"no listener": nil,
		"two ports that are chosen": {{Name: "a", Network: TCP, Address: "127.0.0.1:0"},
			{Name: "b", Network: TCP, Address: "127.0.0.1:0"}},
		"IPv6 alone beside IPv4": {{Name: "a", Network: TCP, Address: "0.0.0.0:80"},
			{Name: "b", Network: TCP6, Address: "[::]:80"}},
		"one address beside all": {{Name: "a", Network: TCP, Address: "127.0.0.1:80"},
			{Name: "b", Network: TCP6, Address: ":80"}},
		"tcp and udp": {{Name: "a", Network: TCP, Address: ":53"}, {Name: "b", Network: UDP, Address: ":53"}},
	} {
		a := valid()
		a.Listen = listen
		if err := a.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{"a", "shop", "Shop-2.v_1", "_x", strings.Repeat("x", 63)} {
		if err := CheckName(name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"", ".", "..", ".x", "-x", "a/b", "a b", "a:b", "ä", strings.Repeat("x", 64), "a\n"} {
		wantCannot(t, CheckName(name), strconv.Quote(name), "letters, digits and . _ -", "at most 63")
	}
	long := strings.Repeat("x", 100)
	for command, name := range map[string]string{
		"./bin/server": "server", "node": "node", "my server (new)": "my-server--new-", "/opt/.hidden": "hidden",
		"größe": "gr--e", long: long[:63], "\xff\xfe.bin": "bin",
	} {
		got := NameFor([]string{command, "-x"}, "")
		if got != name || CheckName(got) != nil {
			t.Errorf("NameFor(%q) = %q, want %q; %v", command, got, name, CheckName(got))
		}
	}
	if got := NameFor(nil, "/srv"); got != "" {
		t.Errorf("NameFor(nil) = %q", got)
	}
}
