package imports

import (
	"maps"
	"net"
	"path"
	"slices"
	"strings"
)

// ofServe begins the variables of PM2's own server of files.
const ofServe = "PM2_SERVE_"

// isServe says whether the app is PM2's own server of files, whatever stands in the directory.
func (r *pm2Reader) isServe() bool { return r.text("script") == "serve" }

// serve puts relevo's server of files in the place of PM2's. That reads its variables first, then
// its arguments: path, port and host.
func (r *pm2Reader) serve() {
	variables, _ := r.keys["env"].(map[string]any)
	args := list(r.keys["args"])
	option := func(name string, place int, otherwise string) string {
		if text, _ := scalar(variables[ofServe+name]); text != "" {
			return text
		}
		if place < len(args) && !strings.HasPrefix(args[place], "-") {
			return args[place]
		}
		return otherwise
	}
	command := []string{"relevo", "serve", literal(option("PATH", 0, "."))}
	remark := "PM2's serve: replaced by relevo's, which lists directories that have no index.html"
	if option("SPA", len(args), "") == "true" {
		command = append(command, "--spa")
		remark = "PM2's serve: replaced by relevo's"
	}
	r.set("", "command", command, remark)
	address := net.JoinHostPort(option("HOST", 2, "0.0.0.0"), option("PORT", 1, "8080"))
	r.set("", "listen", []string{address}, "")
	if len(args) > 0 {
		r.App.remark("args (%s): replaced: path, port and host are in command and listen", brief(r.keys["args"]))
	}
	r.serveOthers(variables)
}

// serveOthers says what comes of the other variables, and takes all of them out of the environment.
func (r *pm2Reader) serveOthers(variables map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		value, _ := scalar(variables[name])
		switch strings.TrimPrefix(name, ofServe) {
		case "BASIC_AUTH":
			if value == "true" {
				r.LeftOut = name + " asks for a password, and relevo serve cannot: without it everyone could read the files"
			}
		case "HOMEPAGE":
			if path.Clean("/"+value) != "/index.html" {
				r.App.remark("env.%s (%s): left out: the page of a directory is its index.html", name, brief(value))
			}
		case "FTP":
			r.App.remark("env.%s (%s): left out: without --spa, directories that have no index.html are listed", name,
				brief(value))
		case "MONITOR":
			r.App.remark("env.%s (%s): left out: it is a service of PM2", name, brief(value))
		}
	}
	if variables != nil {
		rest := maps.Clone(variables)
		maps.DeleteFunc(rest, func(name string, _ any) bool { return strings.HasPrefix(name, ofServe) })
		r.keys["env"] = rest
	}
}
