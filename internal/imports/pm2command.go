package imports

import (
	"path/filepath"
	"slices"
	"strings"
)

// command sets the command. PM2 has it in script, args, interpreter and node_args.
func (r *pm2Reader) command() {
	script := strings.TrimSpace(r.text("script"))
	if script == "" {
		r.fail("script", "a script or a program")
		return
	}
	if r.isServe() {
		r.serve()
		return
	}
	var all []string
	interpreter := r.interpreter(script)
	flags := list(r.keys["interpreter_args"])
	if r.keys["source_map_support"] == true && filepath.Base(interpreter) == "node" {
		flags = append(flags, "--enable-source-maps")
	}
	line := !r.exists(script) && strings.ContainsAny(script, " \t") && r.text("interpreter") == ""
	switch {
	case line:
		all = command(script)
	case interpreter != "":
		all = append(append([]string{interpreter}, flags...), script)
	case r.exists(script) && !strings.Contains(script, "/"):
		all = []string{"./" + script}
	default:
		all = []string{script}
	}
	args := list(r.keys["args"])
	if line && all[0] == "sh" && len(args) > 0 {
		all = []string{"sh", "-c", all[2] + ` "$@"`, "sh"}
	}
	if !line {
		for i := range all {
			all[i] = literal(all[i])
		}
	}
	for _, arg := range args {
		all = append(all, literal(arg))
	}
	r.set("", "command", all, "")
	if interpreter == "" && len(flags) > 0 {
		r.App.remark("interpreter_args (%s): left out: no interpreter is named that could get them",
			brief(r.keys["interpreter_args"]))
	}
}

func (r *pm2Reader) exists(path string) bool {
	if r.Exists == nil {
		return false
	}
	return r.Exists(filepath.Join(r.text("cwd"), path)) || filepath.IsAbs(path) && r.Exists(path)
}

var interpreters = map[string]string{
	".js": "node", ".cjs": "node", ".mjs": "node", ".sh": "bash", ".py": "python3", ".rb": "ruby", ".pl": "perl",
	".php": "php",
}

// interpreter is the program that runs a script; empty: the script is a program itself, or relevo
// finds its interpreter.
func (r *pm2Reader) interpreter(script string) string {
	named := r.text("interpreter")
	version := strings.HasPrefix(named, "node@")
	switch {
	case version:
		r.App.remark("interpreter (%s): replaced by node: PATH decides its version, and relevo says where .nvmrc or "+
			"engines asks for another", brief(named))
		return "node"
	case named == "none":
		return ""
	case named != "":
		return named
	}
	if found := interpreters[filepath.Ext(script)]; found != "" {
		return found
	}
	if r.keys["interpreter_args"] != nil && !slices.Contains([]string{".ts", ".tsx"}, filepath.Ext(script)) &&
		r.exists(script) {
		return "node"
	}
	return ""
}
