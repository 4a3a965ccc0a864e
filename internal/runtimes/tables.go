package runtimes

// options says how a program reads its options, so that the first word after them can be
// found. An option that is not in this list takes no value, or has its value after "=".
type options struct {
	valued  []string // take the next word
	code    []string // are followed by code, or need no script
	script  []string // name the script in the next word
	module  []string // name a module in the next word
	letters string   // short options, which may share a word: they take the rest of the word, or the next word
	// Short options, too:
	attached      string // take the rest of the word, if there is any
	codeLetters   string
	moduleLetters string
	plus          bool // options may begin with +
}

// runtime is an interpreter.
type runtime struct {
	names    []string // without versions; the first is its name
	commands []string // its own commands, before the script
	classes  bool     // the first word is a class, and only an option names a file
	options
}

var shell = options{code: []string{"--version", "--help"}, valued: []string{"--rcfile", "--init-file", "--emulate"},
	letters: "oO", codeLetters: "cs", plus: true}

var nodeOptions = options{
	valued: []string{"-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions",
		"--env-file", "--env-file-if-exists",
		"--title", "--input-type", "--watch-path", "--inspect-port", "--debug-port", "--icu-data-dir", "--openssl-config",
		"--dns-result-order",
		"--unhandled-rejections", "--redirect-warnings", "--diagnostic-dir", "--disable-warning", "--trace-event-categories",
		"--experimental-config-file",
		"--tls-cipher-list", "--tls-keylog", "--use-largepages", "--secure-heap", "--secure-heap-min",
		"--max-http-header-size", "--stack-trace-limit",
		"--tsconfig", "-P", "--project", "-w", "--watch-dir"},
	code: []string{"-e", "--eval", "-p", "--print", "-pe", "-c", "--check", "--test", "--run", "-v", "--version", "-h",
		"--help"},
}

// runtimes are the known interpreters.
var runtimes = [...]runtime{
	{names: []string{"node", "nodejs"}, commands: []string{"inspect"}, options: nodeOptions},
	{names: []string{"tsx", "ts-node", "nodemon"}, commands: []string{"watch"}, options: nodeOptions},
	{names: []string{"bun"}, commands: []string{"run"}, options: options{
		valued: []string{"-r", "--preload", "--require", "--import", "-c", "--config", "--cwd", "--env-file", "--filter",
			"--shell", "--define", "-d", "--loader", "-l",
			"--conditions", "--tsconfig-override", "--port"},
		code: []string{"-e", "--eval", "-p", "--print"},
	}},
	{names: []string{"deno"}, commands: []string{"run", "serve"}, options: options{
		valued: []string{"-c", "--config", "--import-map", "--lock", "--location", "--seed", "--v8-flags", "--cert", "-L",
			"--log-level", "--ext", "--port", "--host",
			"--preload", "--env-file", "--conditions"},
	}},
	{names: []string{"python", "pypy"}, options: options{
		valued: []string{"--check-hash-based-pycs"}, letters: "WXQ", codeLetters: "cVh", moduleLetters: "m",
	}},
	{names: []string{"ruby", "jruby", "truffleruby"}, options: options{
		valued: []string{"--encoding", "--external-encoding", "--internal-encoding"}, letters: "CEIrS", attached: "0FKTWix",
		codeLetters: "e",
	}},
	{names: []string{"perl"}, options: options{letters: "I", attached: "0CDFMVdilmx", codeLetters: "eE"}},
	{names: []string{"php"}, options: options{
		valued: []string{"-d", "-c", "-S", "-t", "-z", "--define", "--php-ini", "--server", "--docroot"},
		script: []string{"-f", "--file"},
		code:   []string{"-r", "--run", "-B", "-R", "-E", "-F", "-a", "-i", "-v", "-m"},
	}},
	{names: []string{"sh", "dash", "ash", "bash", "ksh", "mksh", "zsh", "busybox"}, commands: []string{"sh", "ash"},
		options: shell},
	{names: []string{"fish"}, options: options{letters: "dDfCo", codeLetters: "c"}},
	{names: []string{"java"}, classes: true, options: options{
		valued: []string{"-cp", "-classpath", "--class-path", "-p", "--module-path", "--upgrade-module-path", "--add-modules",
			"--add-opens", "--add-exports",
			"--add-reads", "--source", "--limit-modules", "--enable-native-access"},
		script: []string{"-jar"}, module: []string{"-m", "--module"},
	}},
	{names: []string{"dotnet"}, commands: []string{"exec"},
		options: options{valued: []string{"--fx-version", "--additionalprobingpath", "--depsfile", "--runtimeconfig"}}},
	{names: []string{"lua", "luajit", "texlua"}, options: options{letters: "l", codeLetters: "e"}},
	{names: []string{"Rscript"}, options: options{codeLetters: "e"}},
	{names: []string{"tclsh", "wish"}, options: options{valued: []string{"-encoding"}}},
	{names: []string{"guile"}, options: options{script: []string{"-s"}, code: []string{"-c"},
		valued: []string{"-L", "-C", "-x", "-e", "-l"}}},
	{names: []string{"elixir"},
		options: options{valued: []string{"-r", "-pr", "-pa", "-pz", "--erl", "--cookie", "--sname", "--name", "--app"},
			code: []string{"-e", "--eval", "-S"}}},
	{names: []string{"escript"}},
}

// wrapper is a program that runs another one: in its own place (exec), or as its child.
type wrapper struct {
	name    string
	command string // its own command, before the program: bundle exec
	assigns bool   // NAME=VALUE may come before it
	words   int    // how many words come before it, as the duration of timeout
	options
}

var wrappers = [...]wrapper{
	{name: "env", assigns: true, options: options{valued: []string{"--unset", "--chdir", "--argv"},
		code: []string{"--split-string"}, letters: "uCa", codeLetters: "S"}},
	{name: "nice", options: options{valued: []string{"--adjustment"}, letters: "n"}},
	{name: "nohup"},
	{name: "time", options: options{letters: "fo"}},
	{name: "setsid"},
	{name: "stdbuf", options: options{valued: []string{"--input", "--output", "--error"}, letters: "ioe"}},
	{name: "timeout", words: 1, options: options{valued: []string{"--signal", "--kill-after"}, letters: "sk"}},
	{name: "ionice", options: options{valued: []string{"--class", "--classdata"}, letters: "cn"}},
	{name: "chrt", words: 1, options: options{letters: "TPD"}},
	{name: "taskset", words: 1},
	{name: "numactl", options: options{letters: "NmCpi"}},
	{name: "prlimit"},
	{name: "setpriv", options: options{valued: []string{"--reuid", "--regid", "--groups", "--inh-caps", "--ambient-caps",
		"--bounding-set", "--securebits", "--pdeathsig"}}},
	{name: "catchsegv"},
	{name: "tini", options: options{letters: "ep"}},
	{name: "dumb-init", options: options{letters: "r"}},
	{name: "cross-env", assigns: true},
	{name: "xvfb-run", options: options{letters: "nesfp"}},
	{name: "doppler", command: "run"},
	{name: "dotenvx", command: "run", options: options{valued: []string{"--env-file"}, letters: "f"}},
	{name: "bundle", command: "exec"},
	{name: "rbenv", command: "exec"},
	{name: "pyenv", command: "exec"},
	{name: "nodenv", command: "exec"},
	{name: "asdf", command: "exec"},
	{name: "mise", command: "exec"},
	{name: "direnv", command: "exec", words: 1},
	{name: "poetry", command: "run", options: options{valued: []string{"--directory", "--project"}, letters: "CP"}},
	{name: "pipenv", command: "run"},
	{name: "pdm", command: "run", options: options{valued: []string{"--project"}, letters: "p"}},
	{name: "uv", command: "run",
		options: options{valued: []string{"--with", "--python", "--project", "--directory", "--env-file", "--group",
			"--extra"}, letters: "p"}},
	{name: "hatch", command: "run"},
	{name: "conda", command: "run", options: options{valued: []string{"--name", "--prefix"}, letters: "np"}},
}
