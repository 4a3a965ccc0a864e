package runtimes_test

import (
	"strings"
	"testing"

	"relevo/internal/runtimes"
)

// TestParse: each line is a command and what it runs. Quotes are ordinary characters; "␣"
// is a space within a word.
func TestParse(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"./server --port 80":   "",
		"/usr/bin/node app.js": "node app.js",
		"node --enable-source-maps --max-old-space-size=512 a.js": "node a.js",
		"node -r dotenv/config --import=./x.mjs bin/www -p 1":     "node bin/www",
		"node --env-file .env --watch-path src -- -odd.js":        "node -odd.js",
		"nodejs -e 1 app.js":                 "node",
		"node --test":                        "node",
		"node -":                             "node",
		"node":                               "node",
		"node inspect app.js":                "node app.js",
		"tsx --tsconfig t.json watch app.ts": "tsx app.ts",
		"python3 app.py":                     "python app.py",
		"/venv/bin/python3.11 -u -X dev -Wignore app.py":   "python app.py",
		"python3 -m shop.web --port 1":                     "python module shop.web",
		"python3 -um shop":                                 "python module shop",
		"python3 -mshop":                                   "python module shop",
		"python3 -Sc print(1) app.py":                      "python",
		"pypy3 -O app.py":                                  "python app.py",
		"ruby -I lib -rjson -W2 app.rb":                    "ruby app.rb",
		"ruby -e 1 app.rb":                                 "ruby",
		"perl -w -Ilib -MPlack app.psgi":                   "perl app.psgi",
		"php -d a=b -S 0.0.0.0:80 -t public router.php":    "php router.php",
		"php8.2 -f worker.php":                             "php worker.php",
		"php -r 1;":                                        "php",
		"bash -eu -o pipefail start.sh":                    "sh start.sh",
		"sh -euo pipefail start.sh -c":                     "sh start.sh",
		"bash +x --norc start.sh":                          "sh start.sh",
		"sh -c ./server;␣cleanup":                          "sh",
		"sh -ec ./server":                                  "sh",
		`sh -c tsc;␣exec␣"$@" sh node a.js`:                "node a.js",
		`sh -c x␣exec␣"$@" sh env A=1 ./srv`:               " ./srv",
		`sh -c tsc;␣exec␣"$@" sh`:                          "sh",
		"busybox sh start.sh":                              "sh start.sh",
		"bun run --hot app.ts":                             "bun app.ts",
		"bun --preload ./p.ts app.ts":                      "bun app.ts",
		"deno run --allow-net -c deno.json app.ts":         "deno app.ts",
		"deno serve --port 80 app.ts":                      "deno app.ts",
		"java -Xmx1g -cp lib -jar shop.jar -jar x":         "java shop.jar",
		"java -cp shop.jar com.example.Main":               "java module com.example.Main",
		"dotnet exec shop.dll":                             "dotnet shop.dll",
		"lua5.4 -l x app.lua":                              "lua app.lua",
		"guile -L . -s app.scm":                            "guile app.scm",
		"env X=1 Y=2 node app.js":                          "node app.js",
		"env -i -u HOME PATH=/bin /usr/bin/python3 app.py": "python app.py",
		"env -S node␣app.js":                               "",
		"env X=1 ./server -p":                              " ./server",
		"env":                                              "",
		"nice -n 5 ionice -c2 -n 7 ./server":               " ./server",
		"timeout -s INT 5m node app.js":                    "node app.js",
		"taskset 0x3 ruby app.rb":                          "ruby app.rb",
		"tini -g -- python app.py":                         "python app.py",
		"bundle exec ruby app.rb":                          "ruby app.rb",
		"bundle exec puma":                                 "",
		"bundle install":                                   "",
		"poetry run python -m shop":                        "python module shop",
		"uv run --with httpx app.py":                       " app.py",
		"cross-env A=1 B=2 node app.js":                    "node app.js",
		"doppler run -- node app.js":                       "node app.js",
		"dotenvx run -f .env -- node app.js":               "node app.js",
		"xvfb-run -a -n 3 ./server":                        " ./server",
		"npm start":                                        "",
	} {
		args := strings.Fields(line)
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "␣", " ")
		}
		at, got := runtimes.Parse(args), ""
		switch {
		case at.Module != "":
			got = at.Runtime + " module " + at.Module
		case at.Script > 0:
			got = at.Runtime + " " + args[at.Script]
		default:
			got = at.Runtime
		}
		if got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
	if got := runtimes.Parse(nil); got != (runtimes.Invocation{}) {
		t.Errorf("no command: %+v", got)
	}
}

func TestAppName(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"/srv/shop: ./bin/server":                            "server",
		"/srv/shop: node app.js":                             "shop",
		"/srv/shop: node worker.js":                          "worker",
		"/srv/shop: node dist/index.mjs":                     "shop",
		"/srv/shop/current: node --flag src/server.ts":       "shop",
		"/srv/shop/releases/20260101120000: python3 app.py":  "shop",
		"/: node /srv/shop/v1.2/bin/www":                     "shop",
		"/app: node server.js":                               "server",
		"/: node app.js":                                     "app",
		"/srv/mono/api: bun run index.ts":                    "api",
		"/srv/shop: python3 -m billing.web":                  "billing.web",
		"/srv/shop: python3 -m billing.__main__":             "billing",
		"/srv/shop: python3 -m http.server":                  "shop",
		"/srv/shop: python3 -m app":                          "shop",
		"/srv/shop: python3 -c 1":                            "shop",
		"/: sh -c x":                                         "sh",
		"/srv/shop: env X=1 node app.js":                     "shop",
		"/srv/shop: env X=1 ./shopd":                         "shopd",
		"/srv/shop: bundle exec ruby mailer.rb":              "mailer",
		"/srv/shop: bundle exec puma":                        "shop",
		"/srv/shop: gunicorn app:app":                        "shop",
		"/opt: gunicorn app:app":                             "gunicorn",
		"/srv/shop: npm start":                               "shop",
		"/srv/shop: uv run app.py":                           "shop",
		"/srv/shop: bash queue.sh":                           "queue",
		"/srv/shop: java -jar build/shop-1.2.jar":            "shop-1.2",
		"/srv/shop: java -cp x com.example.Main":             "com.example.Main",
		"relative: node app.js":                              "relative",
		"/srv/mono/api: node .":                              "api",
		"/srv/mono/api: node ./":                             "api",
		"/srv/mono/api/src: node ..":                         "api",
		"/srv/mono/api: node dist":                           "api",
		"/srv/mono/api: nice node ./dist/":                   "api",
		"/srv/mono/api: python3 .":                           "api",
		"/srv/mono: node services/billing":                   "billing",
		"/srv/mono: node services/billing/main":              "billing",
		"/: node .":                                          "node",
		"/srv/shop: strace -f -o log node app.js":            "shop",
		"/srv/shop: chamber exec shop -- python3 -m billing": "billing",
		"/srv/shop: gosu nobody node app.js":                 "shop",
		"/srv/shop: sudo -u nobody X=1 node app.js":          "shop",
		"/srv/shop: ./bin/report --language python x":        "report",
		"/srv/shop: ./bin/server node":                       "server",
		": node app.js":                                      "app",
	} {
		dir, command, _ := strings.Cut(line, ": ")
		if got := runtimes.AppName(strings.Fields(command), dir); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
	if got := runtimes.AppName(nil, "/"); got != "" {
		t.Errorf("no command: %q", got)
	}
}

// FuzzParse: for any words, each index that Parse returns is one of theirs.
func FuzzParse(f *testing.F) {
	f.Add("env -u X nice -n 5 node --require x app.js")
	f.Add("bundle exec -- sh -o")
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Fields(line)
		at := runtimes.Parse(args)
		if at.Program < 0 || at.Program > len(args) || at.Script < 0 || at.Script > 0 && at.Script >= len(args) {
			t.Errorf("%q: %+v", args, at)
		}
		runtimes.AppName(args, "/srv/shop")
	})
}
