// Package testbrowser gives tests a real browser: a headless Chromium, driven by
// chromedriver's WebDriver protocol (W3C WebDriver 2).
package testbrowser

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"relevo/internal/testreq"
)

// tooLong is when a test gives up.
const tooLong = 60 * time.Second

// Browser is a session with windows of its own. What cannot be done ends the test.
type Browser struct {
	t       testing.TB
	client  *http.Client // of the driver
	session string       // its URL
}

// New starts a browser that ends with the test.
func New(t testing.TB) *Browser {
	t.Helper()
	chromium := testreq.Program(t, "chromium")
	transport := new(http.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	b := &Browser{t: t, client: &http.Client{Transport: transport, Timeout: tooLong}}
	for range 10 {
		if port := startDriver(t); port != "" {
			b.session = "http://127.0.0.1:" + port + "/session"
			b.begin(chromium)
			return b
		}
	}
	t.Fatal("chromedriver names no port")
	return nil
}

// startDriver returns the port of a chromedriver. It returns none where that has ended at
// once: it chooses a free port and binds it a moment later, when another process may have it.
func startDriver(t testing.TB) (port string) {
	t.Helper()
	driver := exec.Command(testreq.Program(t, "chromedriver"), "--port=0")
	driver.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := driver.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := driver.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-driver.Process.Pid, syscall.SIGKILL) // with a browser that is left
		_ = driver.Wait()
	})
	started := regexp.MustCompile(`started successfully on port (\d+)`)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if found := started.FindStringSubmatch(lines.Text()); found != nil {
			return found[1] // it says no more than a pipe holds
		}
	}
	return ""
}

func (b *Browser) begin(chromium string) {
	args := strings.Fields("--headless --no-sandbox --disable-gpu --disable-quic --no-first-run " +
		"--disable-background-networking --disable-component-update --disable-sync --disable-dev-shm-usage " +
		"--window-size=1100,760 --user-data-dir=" +
		b.t.TempDir())
	var session struct{ SessionID string }
	b.Call("POST", "", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{
		"goog:chromeOptions":      map[string]any{"args": args, "binary": chromium},
		"unhandledPromptBehavior": "ignore",
	}}}, &session)
	b.session += "/" + session.SessionID
	b.t.Cleanup(func() { b.Call("DELETE", "", nil, nil) })
}

// Call performs a command and decodes its value into result.
func (b *Browser) Call(method, path string, body, result any) {
	b.t.Helper()
	if err := b.try(method, path, body, result); err != nil {
		b.t.Fatal(err)
	}
}

func (b *Browser) try(method, path string, body, result any) error {
	var in io.Reader
	if method == "POST" {
		if body == nil {
			body = struct{}{}
		}
		encoded, err := json.Marshal(body)
		if err != nil {
			return err
		}
		in = bytes.NewReader(encoded)
	}
	r, err := http.NewRequest(method, b.session+path, in)
	if err != nil {
		return err
	}
	res, err := b.client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var answer struct{ Value json.RawMessage }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", method, path, answer.Value)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(answer.Value, result)
}

// Open shows a page and returns when it is loaded.
func (b *Browser) Open(url string) {
	b.t.Helper()
	b.Call("POST", "/url", map[string]any{"url": url}, nil)
}

// NewWindow opens a window or a tab and makes it the current one.
func (b *Browser) NewWindow(kind string) (handle string) {
	b.t.Helper()
	var made struct{ Handle string }
	b.Call("POST", "/window/new", map[string]any{"type": kind}, &made)
	b.Window(made.Handle)
	return made.Handle
}

// Window makes a window the current one.
func (b *Browser) Window(handle string) {
	b.t.Helper()
	b.Call("POST", "/window", map[string]any{"handle": handle}, nil)
}

// Script returns the value of an expression; a page that is on its way gives "".
func (b *Browser) Script(expression string) string {
	var value any
	err := b.try("POST", "/execute/sync", map[string]any{"script": "return (" + expression + ")", "args": []any{}}, &value)
	if err != nil || value == nil {
		return ""
	}
	return fmt.Sprint(value)
}

// Eventually waits until an expression has a value.
func (b *Browser) Eventually(expression, want string) {
	b.t.Helper()
	var got string
	for deadline := time.Now().Add(tooLong); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if got = b.Script(expression); got == want {
			return
		}
	}
	b.t.Fatalf("%s is %q, want %q; the page: %s", expression, got, want, b.Script("[location.href, document.readyState, "+
		"document.visibilityState, document.documentElement.outerHTML.slice(0, 1000)].join(' ')"))
}

// Look sets the size of the page, and whether the system's colors are light or dark.
func (b *Browser) Look(scheme string, width, height int) {
	b.t.Helper()
	for command, params := range map[string]any{
		"Emulation.setDeviceMetricsOverride": map[string]any{"width": width, "height": height, "deviceScaleFactor": 1,
			"mobile": width < 500},
		"Emulation.setEmulatedMedia": map[string]any{"features": []any{map[string]any{"name": "prefers-color-scheme",
			"value": scheme}}},
	} {
		b.Call("POST", "/goog/cdp/execute", map[string]any{"cmd": command, "params": params}, nil)
	}
}

// Screenshot is the current page as PNG.
func (b *Browser) Screenshot() []byte {
	b.t.Helper()
	var encoded string
	b.Call("GET", "/screenshot", nil, &encoded)
	image, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		b.t.Fatal(err)
	}
	return image
}

// Press sends a key to whatever has the focus.
func (b *Browser) Press(key string) {
	b.t.Helper()
	b.Call("POST", "/actions", map[string]any{"actions": []any{map[string]any{"type": "key", "id": "k", "actions": []any{
		map[string]any{"type": "keyDown", "value": key}, map[string]any{"type": "keyUp", "value": key},
	}}}}, nil)
}
