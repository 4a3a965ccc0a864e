package launch

import (
	"net"
	"path/filepath"
	"slices"
	"strings"

	"relevo/internal/runtimes"
)

// debugger is the debugger of a process, according to its command line or environment.
type debugger struct {
	host, port string // where clients connect; port is empty if it reads from a terminal
	waits      bool   // the program does not run before a client has connected
	instead    string // what to write so that the program runs at once
}

// at returns the address as a person writes it.
func (d debugger) at() string {
	if d.port == "0" {
		return "the port that its output names"
	}
	return net.JoinHostPort(d.host, d.port)
}

// hint says what to do about a worker that waits.
func (d debugger) hint() string {
	if d.port == "" {
		return "the debugger reads its commands from a terminal, and a worker has none: " + d.instead
	}
	return "it waits for a debugger at " + d.at() + ": attach one, or " + d.instead + "; --ready-timeout gives " +
		"more time for it"
}

// debuggerOf finds the debugger in a command line and an environment, nil if there is none.
func debuggerOf(args []string, getenv func(string) string) *debugger {
	if len(args) == 0 {
		return nil
	}
	name := strings.ToLower(filepath.Base(args[0]))
	switch {
	case name == "node" || name == "nodejs":
		words := append(strings.Fields(getenv("NODE_OPTIONS")), beforeScript(args)...)
		return inspectorOf(words, "9229")
	case name == "deno":
		return inspectorOf(beforeScript(args), "9229")
	case name == "bun":
		return inspectorOf(beforeScript(args), "6499")
	case strings.HasPrefix(name, "python") || strings.HasPrefix(name, "pypy"):
		return pythonDebugger(args[1:])
	case name == "dlv":
		return delveOf(args[1:])
	case name == "java":
		words := strings.Fields(getenv("JAVA_TOOL_OPTIONS") + " " + getenv("JDK_JAVA_OPTIONS"))
		return jdwpOf(append(words, beforeScript(args)...))
	}
	return nil
}

// beforeScript returns the arguments before the script: an interpreter's own options.
func beforeScript(args []string) []string {
	if script := runtimes.Parse(args).Script; script > 0 {
		return args[1:script]
	}
	if end := slices.Index(args, "--"); end > 0 {
		return args[1:end]
	}
	return args[1:]
}

// inspectorOf reads the options of V8's inspector and of similar ones. The last address
// counts.
func inspectorOf(words []string, port string) *debugger {
	d, found := debugger{host: "127.0.0.1", port: port, instead: "write --inspect for it"}, false
	for i, word := range words {
		option, address, _ := strings.Cut(word, "=")
		switch option {
		case "--inspect":
			found = true
		case "--inspect-brk", "--inspect-wait", "--inspect-brk-node":
			found, d.waits = true, true
			d.instead = "write --inspect in the place of " + option
		case "--inspect-port", "--debug-port":
			if address == "" && i+1 < len(words) {
				address = words[i+1]
			}
		default:
			continue
		}
		d.listen(address)
	}
	if !found {
		return nil
	}
	return &d
}

// listen takes [HOST:]PORT, or a host alone.
func (d *debugger) listen(address string) {
	address = strings.TrimPrefix(strings.TrimPrefix(address, "ws://"), "tcp://")
	address, _, _ = strings.Cut(address, "/")
	switch host, port, err := net.SplitHostPort(address); {
	case address == "":
	case err == nil:
		d.port = port
		if host != "" && host != "*" {
			d.host = host
		}
	case strings.Trim(address, "0123456789") == "":
		d.port = address
	default:
		d.host = strings.Trim(address, "[]")
	}
}

// pythonDebugger reads the command lines of debugpy, of debugpy's adapter, which listens in
// its place, and of debuggers for a terminal.
func pythonDebugger(args []string) *debugger {
	if len(args) > 0 && strings.HasSuffix(strings.TrimSuffix(args[0], "/"), "debugpy/adapter") {
		return debugpyAdapter(args)
	}
	module, own := pythonModule(args)
	switch module {
	case "pdb", "ipdb", "pudb":
		return &debugger{waits: true, instead: "python -m debugpy --listen 5678 is one that has a port"}
	case "debugpy":
		address := optionOf(own, "--listen")
		if address == "" {
			return nil
		}
		d := debugger{host: "127.0.0.1", waits: slices.Contains(own, "--wait-for-client"), instead: "leave " +
			"--wait-for-client out"}
		d.listen(address)
		return &d
	}
	return nil
}

func debugpyAdapter(args []string) *debugger {
	port := optionOf(args, "--port")
	if port == "" {
		return nil
	}
	d := debugger{host: "127.0.0.1", port: port}
	d.listen(optionOf(args, "--host"))
	return &d
}

// pythonModule returns the module that python -m runs, or a script with a module's name, and
// the arguments after it.
func pythonModule(args []string) (module string, own []string) {
	for i, word := range args {
		switch {
		case i > 0 && (args[i-1] == "-X" || args[i-1] == "-W"):
		case word == "-m" && i+1 < len(args):
			return args[i+1], args[i+2:]
		case !strings.HasPrefix(word, "-"):
			return filepath.Base(word), args[i+1:]
		}
	}
	return "", nil
}

// delveOf reads the command line of dlv.
func delveOf(args []string) *debugger {
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	if !slices.ContainsFunc(args, func(word string) bool {
		return slices.Contains([]string{"exec", "debug", "test", "dap"}, word)
	}) {
		return nil
	}
	if !slices.Contains(args, "--headless") && !slices.Contains(args, "--headless=true") && !slices.Contains(args, "dap") {
		return &debugger{waits: true, instead: "dlv exec --headless --listen=127.0.0.1:2345 " +
			"--accept-multiclient --continue is one that has a port"}
	}
	d := debugger{host: "127.0.0.1", port: "0", waits: !slices.Contains(args, "--continue"), instead: "add " +
		"--continue and --accept-multiclient"}
	d.listen(optionOf(args, "--listen"))
	d.listen(optionOf(args, "-l"))
	return &d
}

// jdwpOf reads the option of the Java virtual machine for its debugging agent.
func jdwpOf(words []string) *debugger {
	for _, word := range slices.Backward(words) {
		options, ok := strings.CutPrefix(word, "-agentlib:jdwp=")
		if !ok {
			options, ok = strings.CutPrefix(word, "-Xrunjdwp:")
		}
		if !ok {
			continue
		}
		d, server := debugger{host: "127.0.0.1", port: "0", waits: true, instead: "write suspend=n"}, false
		for option := range strings.SplitSeq(options, ",") {
			switch key, value, _ := strings.Cut(option, "="); key {
			case "server":
				server = value == "y"
			case "suspend":
				d.waits = value != "n"
			case "address":
				d.listen(value)
			}
		}
		if server {
			return &d
		}
	}
	return nil
}

// optionOf returns the value of an option, empty if the option is missing.
func optionOf(words []string, name string) string {
	for i, word := range words {
		if value, ok := strings.CutPrefix(word, name+"="); ok {
			return value
		}
		if word == name && i+1 < len(words) {
			return words[i+1]
		}
	}
	return ""
}
