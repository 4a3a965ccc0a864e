package launch

import (
	"strings"
	"testing"
)

// TestDebuggerOf: which command lines start a debugger, where it listens, and whether the program
// waits for it.
func TestDebuggerOf(t *testing.T) {
	for line, want := range map[string]string{
		"node app.js":                                   "",
		"node app.js --inspect-brk":                     "", // an argument of the program
		"node --inspect app.js":                         "127.0.0.1:9229",
		"node --inspect-brk app.js":                     "127.0.0.1:9229 waits",
		"node -r ./x --inspect-brk=0.0.0.0:9300 app.js": "0.0.0.0:9300 waits",
		"nodejs --inspect-wait=9231 app.js":             "127.0.0.1:9231 waits",
		"/usr/bin/node --inspect=::1 app.js":            "[::1]:9229",
		"node --inspect-brk --inspect-port 9400 app.js": "127.0.0.1:9400 waits",
		"node --inspect=0 app.js":                       "the port that its output names",

		"NODE_OPTIONS=--inspect-brk node app.js":                                             "127.0.0.1:9229 waits",
		"NODE_OPTIONS=--inspect-brk=9230 ./server":                                           "", // no Node
		"NODE_OPTIONS=--inspect-port=9233 node --inspect a.js":                               "127.0.0.1:9233",
		"deno run --inspect-brk main.ts":                                                     "127.0.0.1:9229 waits",
		"bun --inspect-wait=localhost:4000/a app.ts":                                         "localhost:4000 waits",
		"python app.py -m debugpy --listen 5678":                                             "",
		"python -X frozen_modules=off -m debugpy --listen 1 a.py":                            "127.0.0.1:1",
		"python /v/bin/debugpy --listen 5678 --wait-for-client a.py":                         "127.0.0.1:5678 waits",
		"python3.12 -m debugpy --listen 5678 app.py":                                         "127.0.0.1:5678",
		"python -m debugpy --listen 0.0.0.0:5678 --wait-for-client -m uvicorn app:app":       "0.0.0.0:5678 waits",
		"python /v/debugpy/adapter --for-server 3 --host 127.0.0.1 --port 5678":              "127.0.0.1:5678",
		"python -m debugpy --connect 5678 app.py":                                            "",
		"python -m pdb app.py":                                                               "terminal waits",
		"python -m uvicorn app:app":                                                          "",
		"dlv exec --headless --listen=:2345 ./app":                                           "127.0.0.1:2345 waits",
		"dlv exec -l 127.0.0.1:2345 --headless --continue --accept-multiclient ./app -- --x": "127.0.0.1:2345",
		"dlv exec ./app": "terminal waits",
		"dlv version":    "",
		"java -agentlib:jdwp=transport=dt_socket,server=y,suspend=y,address=*:5005 -jar a.jar": "127.0.0.1:5005 waits",
		"java -agentlib:jdwp=transport=dt_socket,server=y,suspend=n,address=5005 -jar a.jar":   "127.0.0.1:5005",
		"java -agentlib:jdwp=transport=dt_socket,address=5005 -jar a.jar":                      "",
		"JAVA_TOOL_OPTIONS=-Xrunjdwp:server=y,address=5005 java -jar a.jar":                    "127.0.0.1:5005 waits",
		"./server --inspect-brk": "",
	} {
		env := map[string]string{}
		args := strings.Fields(line)
		if name, value, ok := strings.Cut(args[0], "="); ok {
			env[name], args = value, args[1:]
		}
		got := ""
		if d := debuggerOf(args, func(name string) string { return env[name] }); d != nil {
			got = "terminal"
			if d.port != "" {
				got = d.at()
			}
			if d.waits {
				got += " waits"
				if d.hint() == "" || d.instead == "" {
					t.Errorf("%s: no advice what to type", line)
				}
			}
		}
		if got != want {
			t.Errorf("%s:\n got %q\nwant %q", line, got, want)
		}
	}
}
