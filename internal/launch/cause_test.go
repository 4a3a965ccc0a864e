package launch

import (
	"strings"
	"testing"
)

// TestCause: the line with the reason is found in what real programs print when they die.
func TestCause(t *testing.T) {
	for name, c := range map[string]struct{ printed, want string }{
		"nothing": {"", ""},
		"node, syntax": {`/srv/shop/syn.js:2
foo bar
    ^^^

SyntaxError: Unexpected identifier 'bar'
    at wrapSafe (node:internal/modules/cjs/loader:1515:18)
    at Module._compile (node:internal/modules/cjs/loader:1537:20)

Node.js v22.11.0`, "SyntaxError: Unexpected identifier 'bar' (syn.js:2)"},
		"node, missing module": {`node:internal/modules/cjs/loader:1228
  throw err;
  ^

Error: Cannot find module 'expres'
Require stack:
- /srv/shop/app.js
    at Module._resolveFilename (node:internal/modules/cjs/loader:1225:15)
    at require (node:internal/modules/helpers:137:18)
    at Object.<anonymous> (/srv/shop/app.js:3:11) {
  code: 'MODULE_NOT_FOUND',
  requireStack: [ '/srv/shop/app.js' ]
}

Node.js v22.11.0`, "Error: Cannot find module 'expres' (app.js:3)"},
		"node, module syntax": {`file:///srv/shop/app.mjs:1
import { x } from './y.mjs'
         ^
SyntaxError: The requested module './y.mjs' does not provide an export named 'x'
    at ModuleJob._instantiate (node:internal/modules/esm/module_job:180:21)`,
			"SyntaxError: The requested module './y.mjs' does not provide an export named 'x' (app.mjs:1)"},
		"node, port": {`node:events:497
      throw er; // Unhandled 'error' event
      ^

Error: listen EADDRINUSE: address already in use :::3000
    at Server.setupListenHandle [as _listen2] (node:net:1937:16)
Emitted 'error' event on Server instance at:
    at emitErrorNT (node:net:1916:8) {
  code: 'EADDRINUSE',
}`, "Error: listen EADDRINUSE: address already in use :::3000"},
		"node, type": {`/srv/shop/app.js:7
null.x
     ^
TypeError: Cannot read properties of null (reading 'x')
    at Object.<anonymous> (/srv/shop/app.js:7:6)`,
			"TypeError: Cannot read properties of null (reading 'x') (app.js:7)"},
		"node, caused": {`Error [ERR_X]: outer
    at main (/srv/a.js:2:3) {
  [cause]: Error: inner
      at main (/srv/a.js:1:3)
}`, "Error [ERR_X]: outer (a.js:2)"},
		"python, missing module": {`Traceback (most recent call last):
  File "/srv/shop/app.py", line 3, in <module>
    import flask
ModuleNotFoundError: No module named 'flask'`, "ModuleNotFoundError: No module named 'flask' (app.py:3)"},
		"python, chained, an error without Error": {`Traceback (most recent call last):
  File "/srv/a.py", line 1, in <module>
KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/srv/manage.py", line 22, in main
    raise ImproperlyConfigured("no SECRET_KEY")
django.core.exceptions.ImproperlyConfigured: no SECRET_KEY`,
			"django.core.exceptions.ImproperlyConfigured: no SECRET_KEY (manage.py:22)"},
		"python, syntax": {`  File "/srv/shop/app.py", line 2
    foo bar
        ^^^
SyntaxError: invalid syntax`, "SyntaxError: invalid syntax (app.py:2)"},
		"python, after its log": {`INFO Error: 3 old things
Traceback (most recent call last):
  File "x.py", line 9, in f
OSError: [Errno 98] Address already in use
stopped`, "OSError: [Errno 98] Address already in use (x.py:9)"},
		"gunicorn": {`[2026-01-01 10:00:00 +0000] [7] [INFO] Starting gunicorn 20.1.0
[2026-01-01 10:00:00 +0000] [7] [ERROR] Connection in use: ('0.0.0.0', 8000)`,
			"[2026-01-01 10:00:00 +0000] [7] [ERROR] Connection in use: ('0.0.0.0', 8000)"},
		"ruby": {`/srv/app.rb:1:in ` + "`require'" + `: cannot load such file -- sinatra (LoadError)
	from /srv/app.rb:1:in ` + "`<main>'", "/srv/app.rb:1:in `require': cannot load such file -- sinatra (LoadError)"},
		"ruby, new": {`app.rb:2:in 'Object#x': undefined local variable or method 'y' for main (NameError)
	from app.rb:4:in '<main>'`, "app.rb:2:in 'Object#x': undefined local variable or method 'y' for main (NameError)"},
		"go, panic": {`2026/01/01 10:00:00 starting
panic: runtime error: index out of range [3] with length 3

goroutine 1 [running]:
main.main()
	/srv/main.go:9 +0x1d
exit status 2`, "panic: runtime error: index out of range [3] with length 3"},
		"go, log.Fatal": {`2026/01/01 10:00:00 starting
2026/01/01 10:00:00 listen tcp :80: bind: address already in use`,
			"2026/01/01 10:00:00 listen tcp :80: bind: address already in use"},
		"go, deadlock": {"fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [chan receive]:\nmain.main()",
			"fatal error: all goroutines are asleep - deadlock!"},
		"rust": {`thread 'main' panicked at src/main.rs:4:37:
called ` + "`Result::unwrap()` on an `Err`" + ` value: Os { code: 98 }
note: run with ` + "`RUST_BACKTRACE=1`",
			"panicked: called `Result::unwrap()` on an `Err` value: Os { code: 98 } (main.rs:4)"},
		"rust, a thread's number": {"thread 'main' (4711) panicked at src/main.rs:2:5:\nboom", "panicked: boom (main.rs:2)"},
		"rust, main":              {"Error: Os { code: 2, kind: NotFound }", "Error: Os { code: 2, kind: NotFound }"},
		"java": {`Exception in thread "main" java.lang.IllegalStateException: cannot start
	at Main.main(Main.java:3)
Caused by: java.net.BindException: Address already in use
	at Main.run(Main.java:9)
	... 1 more`, "Caused by: java.net.BindException: Address already in use"},
		"java, no class": {"Error: Could not find or load main class Main\nCaused by: java.lang.ClassNotFoundException: Main",
			"Caused by: java.lang.ClassNotFoundException: Main"},
		".NET": {"Unhandled exception. System.IO.IOException: no disk\n   at Program.Main()",
			"Unhandled exception. System.IO.IOException: no disk"},
		"php": {"PHP Fatal error:  Uncaught Error: Call to undefined function x() in /srv/a.php:3\n" +
			"Stack trace:\n#0 {main}\n  thrown in /srv/a.php on line 3",
			"PHP Fatal error:  Uncaught Error: Call to undefined function x() in /srv/a.php:3"},
		"perl": {"Can't locate Foo.pm in @INC (you may need to install the Foo module) at a.pl line 1.\n" +
			"BEGIN failed--compilation aborted at a.pl line 1.",
			"Can't locate Foo.pm in @INC (you may need to install the Foo module) at a.pl line 1."},
		"elixir": {"** (RuntimeError) boom\n    a.exs:1: (file)", "** (RuntimeError) boom"},
		"c++": {"terminate called after throwing an instance of 'std::runtime_error'\n  what():  no database",
			"std::runtime_error: no database"},
		"loader": {"./app: error while loading shared libraries: libssl.so.3: cannot open shared object file: " +
			"No such file or directory", "./app: error while loading shared libraries: libssl.so.3: " +
			"cannot open shared object file: No such file or directory"},
		"shell": {"sh: 1: uvicorn: not found", "sh: 1: uvicorn: not found"},
		"nginx": {"nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)",
			"nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)"},
		"a log":       {"reading\nlevel=error msg=\"no database\"\nbye", "level=error msg=\"no database\""},
		"colors":      {"\x1b[31mError: no database\x1b[0m\n", "Error: no database"},
		"plain words": {"starting\nbye", "bye"},
	} {
		t.Run(name, func(t *testing.T) {
			var kept tail
			kept.Write([]byte(c.printed))
			if got := kept.cause(true); got != c.want {
				t.Errorf("the cause is %q, want %q", got, c.want)
			}
		})
	}
}

// The last words of a program that was killed are not taken for a reason.
func TestCauseOfKilled(t *testing.T) {
	var kept tail
	kept.Write([]byte("GET /\nGET /about\n"))
	if got := kept.cause(false); got != "" {
		t.Errorf("a killed program has the cause %q", got)
	}
}

// TestCauseBeforeFlood: the reason is found although more frames follow than are kept.
func TestCauseBeforeFlood(t *testing.T) {
	var kept tail
	kept.Write([]byte("banner\n" + strings.Repeat("log line\n", 5000)))
	kept.Write([]byte("panic: no database\n\ngoroutine 1 [running]:\nmain.main()\n"))
	for range 5000 {
		kept.Write([]byte("goroutine 9 [select]:\nmain.serve()\n"))
	}
	if got := kept.cause(true); got != "panic: no database" {
		t.Errorf("the cause is %q", got)
	}
	shown := strings.Join(kept.lines(), "\n")
	if !strings.HasPrefix(shown, "banner\n") || !strings.Contains(shown, "\npanic: no database\n") ||
		len(kept.lines()) > shownLines+2 {
		t.Errorf("the shown lines are\n%s", shown)
	}
}
