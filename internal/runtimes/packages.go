package runtimes

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// deepest is how many scripts may run one another: a package.json may have a loop.
const deepest = 8

// manifest holds the parts of a package.json that matter here.
type manifest struct {
	Name, Version   string
	Scripts         map[string]string
	Config, Engines any
	Bin             any
	PackageManager  string
}

func readManifest(m Machine, dir string) (about manifest, err error) {
	path := filepath.Join(dir, "package.json")
	text, err := m.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &about)
	}
	if err != nil {
		return about, fmt.Errorf("cannot read %s: %w", path, err)
	}
	return about, nil
}

func noPackage(m Machine, o order) error {
	return nameScript(m, o.dir, fmt.Sprintf("cannot run npm %s: there is no package.json in %s or above; change to the "+
		"package's directory, or name the script", o.name, o.dir))
}

// plainName is the package's name without its scope.
func (a manifest) plainName() string { return a.Name[strings.LastIndexByte(a.Name, '/')+1:] }

// appName is the name of an app that runs one of the package's scripts.
func (a manifest) appName(dir, script string) string {
	name := or(a.plainName(), placeName(filepath.Join(dir, "x")))
	word, _, _ := strings.Cut(script, ":")
	if name == "" || slices.Contains(commonScripts[:], word) ||
		slices.Contains([]string{"dev", "develop", "prod", "production", "preview"}, word) {
		return name
	}
	return name + "-" + script
}

// packageRun is one run of a package's script.
type packageRun struct {
	manager, command string
	name             string // of the script
	dir              string // of the package
	from             string // where the package manager was called
	depth            int
}

// packageScript returns the command of a package's script, with its environment.
func packageScript(m Machine, r packageRun, args []string) (c Command, err error) {
	about, err := readManifest(m, r.dir)
	if err != nil {
		return c, err
	}
	text := about.Scripts[r.name]
	if text == "" && r.name == "start" && m.IsFile(filepath.Join(r.dir, "server.js")) {
		text = "node server.js" // as npm does
	}
	if text == "" {
		return c, about.noScript(m, r)
	}
	if r.depth == deepest {
		return c, fmt.Errorf("cannot run the script %q: the scripts of %s name one another; name the program itself", r.name,
			filepath.Join(r.dir, "package.json"))
	}
	c = scriptText(about.hooks(m, r), text, args)
	c.Env, c.Path = about.environ(m, r, text), binDirectories(r.dir)
	inner, err := managed(m, r.dir, c.Args, r.depth+1)
	if err != nil {
		return inner, err
	}
	if slices.Equal(inner.Args, c.Args) {
		inner.Args = slices.Clone(c.Args)
		inner.Args[0] = binOf(m, r.dir, c.Args[0])
	}
	inner.Env, inner.Set = append(c.Env, inner.Env...), append(c.Set, inner.Set...)
	if inner.Path == nil {
		inner.Path = c.Path
	}
	inner.Name = about.appName(r.dir, r.name)
	return inner, nil
}

// hooks returns the scripts that run before and after a script. Newer versions of yarn run none.
func (a manifest) hooks(m Machine, r packageRun) hooks {
	yarn, isYarn := strings.CutPrefix(a.PackageManager, "yarn@")
	newer := isYarn && !strings.HasPrefix(yarn, "1.") || m.IsFile(filepath.Join(r.dir, ".yarnrc.yml"))
	if r.manager == "yarn" && newer {
		return hooks{}
	}
	return hooks{a.Scripts["pre"+r.name], a.Scripts["post"+r.name]}
}

func (a manifest) noScript(m Machine, r packageRun) error {
	path := filepath.Join(r.dir, "package.json")
	if len(a.Scripts) == 0 {
		return nameScript(m, r.dir, fmt.Sprintf("cannot run the script %q: %s has no scripts; add one, or name the file "+
			"that is to be run", r.name, path))
	}
	names := slices.Sorted(maps.Keys(a.Scripts))
	return &AdvisedError{Wrong: fmt.Sprintf("cannot run the script %q: %s has none of that name; it has %s", r.name, path,
		strings.Join(names, ", ")), Command: "npm run " + nearest(names)}
}

// nearest returns the script to show as an example: one that probably serves.
func nearest(names []string) string {
	for _, word := range []string{"start", "serve", "server", "dev", "prod", "preview"} {
		if i := slices.IndexFunc(names, func(name string) bool { return strings.HasPrefix(name, word) }); i >= 0 {
			return names[i]
		}
	}
	return names[0]
}

// environ returns the variables that a package manager sets for a script.
func (a manifest) environ(m Machine, r packageRun, text string) []string {
	env := []string{"npm_lifecycle_event=" + r.name}
	if text != "" {
		env = append(env, "npm_lifecycle_script="+text)
	}
	env = append(env, "npm_command="+r.command, "npm_package_json="+filepath.Join(r.dir, "package.json"),
		"INIT_CWD="+r.from)
	if node := m.Find("node"); node != "" {
		env = append(env, "npm_node_execpath="+node, "NODE="+node)
	}
	add := func(key string, value any) {
		if value != nil && value != "" {
			env = append(env, flatten("npm_package_"+key, value)...)
		}
	}
	add("name", a.Name)
	add("version", a.Version)
	add("config", a.Config)
	add("engines", a.Engines)
	if bin, ok := a.Bin.(map[string]any); ok || a.Name == "" {
		add("bin", bin)
	} else if a.Bin != nil {
		add("bin", map[string]any{a.plainName(): a.Bin})
	}
	for i := range env {
		env[i] = literal(env[i])
	}
	return env
}

// flatten makes a variable of each value in a tree, as npm does.
func flatten(name string, value any) (env []string) {
	switch v := value.(type) {
	case nil:
		return []string{name + "="}
	case bool:
		if !v {
			return []string{name + "="}
		}
	case []any:
		for i, item := range v {
			env = append(env, flatten(fmt.Sprintf("%s_%d", name, i), item)...)
		}
		return env
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if !strings.ContainsAny(key, "=\x00") {
				env = append(env, flatten(name+"_"+key, v[key])...)
			}
		}
		return env
	}
	if text := fmt.Sprint(value); !strings.ContainsRune(text, 0) {
		return []string{name + "=" + text}
	}
	return nil
}
