package runtimes_test

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"relevo/internal/runtimes"
)

// fakeMachine has files by path, below /w, and programs.
type fakeMachine struct {
	files    map[string]string // those that may be executed end with " x"
	programs []string
	node     string
}

func (m fakeMachine) ReadFile(path string) ([]byte, error) {
	if text, ok := m.files[path]; ok {
		return []byte(text), nil
	}
	return nil, fs.ErrNotExist
}
func (m fakeMachine) IsFile(path string) bool { _, ok := m.files[path]; return ok }
func (m fakeMachine) IsDir(path string) bool {
	for file := range m.files {
		if strings.HasPrefix(file, path+"/") {
			return true
		}
	}
	return false
}
func (m fakeMachine) Executable(path string) bool { return strings.HasSuffix(m.files[path], " x") }
func (m fakeMachine) FirstLine(path string) string {
	line, ok := strings.CutPrefix(m.files[path], "#!")
	if !ok {
		return ""
	}
	return strings.TrimSuffix(line, " x")
}
func (m fakeMachine) Find(program string) string {
	if slices.Contains(m.programs, program) {
		return "/usr/bin/" + program
	}
	return ""
}
func (m fakeMachine) NodeVersion() string { return m.node }

func machine(node string, programs ...string) fakeMachine {
	return fakeMachine{programs: append(programs, "node", "python3", "php", "sh", "bash", "rackup", "npm", "tool.js"),
		node: node, files: map[string]string{
			"/w/app.js": "", "/w/app.ts": "", "/w/app.py": "", "/w/app.php": "<?php echo 1;",
			"/w/loop.php": "<?php while (true) {}", "/w/x.sh": "", "/w/run.sh": "#!/bin/sh x",
			"/w/config.ru": "", "/w/app.rb": "", "/w/plain.sh": "#!/usr/bin/env -S bash -e", "/w/odd.sh": "#!/none/odd",
			"/w/www": "#!/usr/bin/env node", "/w/marked.js": " x",
			"/w/src/far.js": "", "/w/tool.js": "", "/bin/sh": " x", "/w/data.txt": "",
			"/w/shop/package.json": `{"name":"@acme/shop","version":"1.2.3","config":{"port":80},"bin":"cli.js",
			"scripts":{"start":"NODE_ENV=production node server.js",
			"all":"npm run start -- -v","built":"tsc -p . && A=1 node dist.js",
			"piped":"node a.js | cat","quoted":"node \"a b.js\" 'c$d'",
			"loop":"npm run loop","prehook":"tsc","hook":"node h.js","postpast":"rm x","past":"node p.js",
			"dollar":"node s.js $PORT",
			"next":"next start","cross":"cross-env A=1 node c.js",
			"crossed":"tsc && cross-env A=1 node c.js","braces":"node b.js {fd} {addr:web} {x}","expands":"node b.js {fd,x}",
			"cd":"cd api && node a.js","worker:mail":"node m.js","set":"set -e && exit 1",
			"if":"if true; then node a.js; fi","here":"npx next start"}}`,
			"/w/shop/node_modules/.bin/next": "#! x", "/w/shop/sub/x.js": "",
			"/w/none/package.json": `{"scripts":{"dev":"x","test":"y"}}`, "/w/empty/package.json": `{}`, "/w/empty/app.js": "",
			"/w/classic/package.json": `{}`, "/w/classic/server.js": "", "/w/bad/package.json": `{`, "/w/venv/a.py": "",
			"/w/venv/.venv/bin/python": " x", "/w/gems/Gemfile": "",
			"/w/gems/Gemfile.lock": "GEM\n  specs:\n    puma (6.0)\n", "/w/gems/config.ru": "", "/w/gems/a.rb": "",
			"/w/buns/bun.lock": "", "/w/buns/a.ts": "",
			"/w/tsx/node_modules/.bin/tsx": "", "/w/tsx/node_modules/tsx/package.json": "{}", "/w/tsx/a.ts": "",
			"/w/tsx/sub/b.ts": "",
			"/w/pnp/.pnp.cjs": "", "/w/pnp/package.json": `{"scripts":{"start":"node a.js"}}`,
			"/w/berry/package.json": `{"packageManager":"yarn@4.1.0","scripts":{"prestart":"x","start":"node a.js"}}`,
			"/w/old/package.json":   `{"engines":{"node":">=18 <21"},"scripts":{"start":"node a.js"}}`,
			"/w/old/.nvmrc":         "18.2\n",
			"/w/old/a.js":           "", "/w/named/.nvmrc": "lts/iron", "/w/named/a.js": "",
		}}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	m := machine("v22.18.0")
	for line, want := range map[string]string{
		"app.js -p 1":   "node app.js -p 1",
		"app.ts":        "node app.ts",
		"app.py":        "python3 app.py",
		"app.php":       "php -S 127.0.0.1:8000 app.php",
		"loop.php":      "php loop.php",
		"x.sh":          "sh x.sh",
		"run.sh a":      "./run.sh a",
		"plain.sh a":    "bash -e plain.sh a",
		"odd.sh":        "sh odd.sh",
		"www":           "node www",
		"marked.js":     "node marked.js",
		"tool.js":       "tool.js", // which is in PATH
		"./tool.js":     "node ./tool.js",
		"data.txt":      "data.txt",
		"config.ru":     "rackup config.ru",
		"./server -x":   "./server -x",
		"node app.js":   "node app.js",
		"venv/a.py":     "/w/venv/.venv/bin/python venv/a.py",
		"in venv: a.py": ".venv/bin/python a.py",
		"app.rb": "error: cannot run app.rb: ruby is not installed; in Debian it is in the " +
			"package ruby: apt install ruby",
		"far.js": "error: cannot find the script far.js in /w; did you mean src/far.js?",
		"gone.py": "error: cannot find the script gone.py: there is no file /w/gone.py; " +
			"give the script's path",
		"none": `error: cannot run the script "start": /w/none/package.json has none of ` +
			`that name; it has dev, test: relevo run npm run dev`,
		"empty": `error: cannot run the script "start": /w/empty/package.json has no ` +
			`scripts; add one, or name the file that is to be run: relevo run /w/empty/app.js`,
		"bad": `error: cannot read /w/bad/package.json: unexpected end of JSON input`,
		"src": "error: cannot run /w/src: it is a directory without a package.json; " +
			"name the script, or a command after --",
		".": "error: cannot run /w: it is a directory without a package.json; " +
			"name the script: relevo run /w/app.py",
		"classic":                          "node server.js",
		"npm start":                        "error: cannot run npm start: there is no package.json in /w or above",
		"shop":                             "NODE_ENV=production node server.js",
		"in shop: npm start":               "NODE_ENV=production node server.js",
		"in shop/sub: npm start":           "NODE_ENV=production node server.js",
		"npm --prefix shop start":          "NODE_ENV=production node server.js",
		"in shop: npm -s run start":        "NODE_ENV=production node server.js",
		"in shop: npm run all":             "NODE_ENV=production node server.js -v",
		"in shop: npm start -- -p 1":       "NODE_ENV=production node server.js -p 1",
		"in shop: npm start a -- -p 1":     "NODE_ENV=production node server.js a -p 1",
		"in shop: npm start --if-present":  "npm start --if-present",
		"in shop: npm install":             "npm install",
		"in shop: npm --workspace=a start": "npm --workspace=a start",
		"in shop: npm run":                 "npm run",
		"in shop: npm exec -- next start":  "node_modules/.bin/next start",
		"in shop: yarn start -p 1":         "NODE_ENV=production node server.js -p 1",
		"in shop: yarn install":            "yarn install",
		"in shop: yarn run next":           "node_modules/.bin/next start",
		"in shop: yarn node x.js":          "node x.js",
		"in shop: npx next start":          "node_modules/.bin/next start",
		"in shop/sub: npx next start":      "/w/shop/node_modules/.bin/next start",
		"in shop: npx -y other":            "npx -y other",
		"in shop: npx -c ls":               "npx -c ls",
		"in shop: bun run start":           "NODE_ENV=production node server.js",
		"in shop: bun run app.js":          "bun run app.js",
		"in shop: bun app.js":              "bun app.js",
		"in shop: npm run next":            "node_modules/.bin/next start",
		"in shop: npm run here":            "node_modules/.bin/next start",
		"in shop: npm run quoted":          "node a b.js c$d",
		"in shop: npm run cross":           "A=1 node c.js",
		"in shop: npm run crossed":         `sh -c tsc && A=1 exec "$@" sh node c.js`,
		"in shop: npm run braces -- {fd}":  "node b.js {:fd} {:addr:web} {x} {fd}",
		"in shop: npm run expands":         "sh -c exec node b.js {fd,x} sh",
		"in shop: npm run built -- -v":     `sh -c tsc -p . && A=1 exec "$@" sh node dist.js -v`,
		"in shop: npm run dollar":          "sh -c exec node s.js $PORT sh",
		"in shop: npm run cd":              "sh -c cd api && exec node a.js sh",
		"in shop: npm run hook":            "sh -c ( tsc\n) && exec \"$@\" sh node h.js",
		"in shop: npm run past":            "sh -c node p.js && ( rm x\n) sh",
		"in shop: npm run set":             "sh -c set -e && exit 1 sh",
		"in shop: npm run if":              "sh -c if true; then node a.js; fi sh",
		"in shop: npm run piped":           "sh -c node a.js | cat sh",
		"in shop: pnpm exec next start":    "node_modules/.bin/next start",
		"in shop: pnpm -C ../berry start":  "sh -c ( x\n) && exec \"$@\" sh node a.js",
		"in berry: yarn start":             "node a.js",
		"in pnp: yarn start":               "yarn start",
		"in shop: npm run loop":            `error: cannot run the script "loop": the scripts of`,
		"in shop/node_modules: npm run none": `error: cannot run the script "none": /w/shop/package.json has none of that ` +
			`name; it has all, braces, built`,
	} {
		if got := resolved(m, line); got != want && !(strings.HasPrefix(want, "error: ") && strings.HasPrefix(got, want)) {
			t.Errorf("%s:\n got %s\nwant %s", line, got, want)
		}
	}
}

// TestResolveByMachine: what is installed decides.
func TestResolveByMachine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		m          fakeMachine
		line, want string
	}{
		{machine("v20.20.2"), "app.ts", "error: cannot run app.ts: Node v20.20.2 does not run TypeScript; " +
			"install Node 22.18 or newer, or tsx: npm install tsx"},
		{machine("v22.7.0"), "app.ts", "node --experimental-strip-types app.ts"},
		{machine("v22.7.0", "tsx"), "app.ts", "tsx app.ts"},
		{machine("v20.20.2"), "in tsx: a.ts", "node --import tsx a.ts"},
		{machine("v18.20.2"), "in tsx: a.ts", "/w/tsx/node_modules/.bin/tsx a.ts"},
		{machine("v20.20.2"), "tsx/sub/b.ts", "/w/tsx/node_modules/.bin/tsx tsx/sub/b.ts"},
		{machine(""), "app.ts", "error: cannot run app.ts: node is not installed"},
		{machine("v20.20.2", "bun"), "in buns: a.ts", "bun a.ts"},
		{machine("v20.20.2", "ruby", "bundle"), "app.rb", "ruby app.rb"},
		{machine("v20.20.2", "ruby", "bundle"), "in gems: a.rb", "bundle exec ruby a.rb"},
		{machine("v20.20.2", "ruby", "bundle"), "in gems: config.ru", "bundle exec puma config.ru"},
		{fakeMachine{files: map[string]string{"/w/app.py": ""}, programs: []string{"python"}}, "app.py", "python app.py"},
		{fakeMachine{files: map[string]string{"/w/app.js": ""}, programs: []string{"bun"}}, "app.js", "bun app.js"},
		{fakeMachine{files: map[string]string{"/w/app.js": ""}}, "app.js",
			"error: cannot run app.js: node is not installed; in Debian it is in the package nodejs: apt install nodejs"},
		{fakeMachine{files: map[string]string{"/w/app.py": ""}}, "app.py", "error: cannot run app.py: " +
			"python3 is not installed; in Debian it is in the package python3: apt install python3"},
		{fakeMachine{files: map[string]string{"/w/a.php": ""}}, "a.php",
			"error: cannot run a.php: php is not installed; in Debian it is in the package php-cli: apt install php-cli"},
	} {
		if got := resolved(c.m, c.line); got != c.want &&
			!(strings.HasPrefix(c.want, "error: ") && strings.HasPrefix(got, c.want)) {
			t.Errorf("%s with %s %v:\n got %s\nwant %s", c.line, c.m.node, c.m.programs, got, c.want)
		}
	}
	c, err := runtimes.Resolve(machine(""), "/w", "0.0.0.0:80", []string{"app.php"})
	if want := []string{"php", "-S", "0.0.0.0:80", "app.php"}; err != nil || !slices.Equal(c.Args, want) {
		t.Errorf("php with a listener: %q, %v", c.Args, err)
	}
}

// TestResolvedEnvironment: a script gets the variables that npm would have set.
func TestResolvedEnvironment(t *testing.T) {
	t.Parallel()
	c, err := runtimes.Resolve(machine("v22.18.0"), "/w/shop/sub", "", []string{"npm", "run", "worker:mail"})
	if err != nil {
		t.Fatal(err)
	}
	for _, variable := range []string{
		"npm_lifecycle_event=worker:mail", "npm_lifecycle_script=node m.js", "npm_package_name=@acme/shop",
		"npm_package_version=1.2.3", "npm_package_config_port=80",
		"npm_package_bin_shop=cli.js", "npm_package_json=/w/shop/package.json", "npm_command=run-script",
		"INIT_CWD=/w/shop/sub", "NODE=/usr/bin/node",
	} {
		if !slices.Contains(c.Env, variable) {
			t.Errorf("no %s in %q", variable, c.Env)
		}
	}
	if want := []string{"/w/shop/node_modules/.bin", "/w/node_modules/.bin", "/node_modules/.bin"}; !slices.Equal(c.Path,
		want) || c.Dir != "/w/shop" {
		t.Errorf("directory %s, path %q", c.Dir, c.Path)
	}
}

func TestResolvedName(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"shop": "shop", "in shop: npm start": "shop", "in shop: npm run worker:mail": "shop-worker:mail",
		"in shop: npx next start": "shop", "in shop: npm run all": "shop-all",
		"in none: npm run dev": "none", "in venv: a.py": "a", "src/far.js": "far", "in classic: server.js": "classic",
		"run.sh": "w", "node app.js": "",
	} {
		dir, args := placed(line)
		c, err := runtimes.Resolve(machine("v22.18.0"), dir, "", args)
		if err != nil || c.Name != want {
			t.Errorf("%s: %q, want %q (%v)", line, c.Name, want, err)
		}
	}
}

// TestNodeNotes: there is a note if the project asks for another version of Node.
func TestNodeNotes(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]int{"in old: a.js": 2, "in old: npm start": 2, "old/a.js": 2, "in named: a.js": 0,
		"app.js": 0, "app.py": 0} {
		dir, args := placed(line)
		c, err := runtimes.Resolve(machine("v22.18.0"), dir, "", args)
		if err != nil || len(c.Notes) != want {
			t.Errorf("%s: %q, %v", line, c.Notes, err)
		}
		for _, note := range c.Notes {
			if !strings.HasPrefix(note, "Node v22.18.0 is run, and /w/old/") || strings.Contains(note, "\n") {
				t.Errorf("%s: %q", line, note)
			}
		}
	}
}

// placed reads "in DIR: COMMAND", below /w.
func placed(line string) (dir string, args []string) {
	dir, command := "/w", line
	if where, rest, ok := strings.Cut(strings.TrimPrefix(line, "in "), ": "); ok {
		dir, command = filepath.Join("/w", where), rest
	}
	return dir, strings.Fields(command)
}

// resolved shows a command with the variables that its script sets.
func resolved(m fakeMachine, line string) string {
	dir, args := placed(line)
	c, err := runtimes.Resolve(m, dir, "", args)
	if err != nil {
		return fmt.Sprint("error: ", err)
	}
	return strings.Join(append(c.Set, c.Args...), " ")
}
