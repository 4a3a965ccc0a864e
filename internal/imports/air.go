package imports

import (
	"errors"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"relevo/internal/config"
	"relevo/internal/lazyregexp"
)

// airReader turns the keys of air's file into settings of relevo dev.
type airReader struct {
	App
	Source
	tree  map[string]any
	build map[string]any
}

func readAir(data []byte, s Source) (*Document, error) {
	r := &airReader{Source: s}
	if err := toml.Unmarshal(data, &r.tree); err != nil {
		return nil, err
	}
	r.tree = r.fitting("", r.tree, airTreeShapes(), nil)
	r.build, _ = r.tree["build"].(map[string]any)
	if own, _ := r.build["linux"].(map[string]any); own != nil {
		r.build = maps.Clone(r.build)
		maps.Copy(r.build, own)
	}
	r.build = r.fitting("build.", r.build, airBuildShapes(), airDefaults)
	r.App.Name = or(config.NameOf(s.Name), "app")
	if err := r.read(); err != nil {
		return nil, err
	}
	d := &Document{From: s.Path, Dev: true, Remarks: []string{"It is for relevo dev, which builds, serves and rolls at " +
		"each " +
		"change. relevo start runs what is built: see docs/from-air.md"}}
	d.add(r.App)
	return d, nil
}

// airDefaults are air's own defaults.
var airDefaults = map[string]string{"cmd": "go build -o ./tmp/main .", "bin": "./tmp/main"}

func (r *airReader) text(key string) string {
	if r.build[key] == nil {
		return airDefaults[key]
	}
	text, _ := scalar(r.build[key])
	return text
}

func (r *airReader) list(key string) []string { return list(r.build[key]) }

func (r *airReader) read() error {
	if root, _ := scalar(r.tree["root"]); root != "" && root != "." {
		r.directory(r.Source, root)
	} else {
		r.directory(r.Source, "")
	}
	if err := r.program(); err != nil {
		return err
	}
	r.rules()
	r.watch()
	for _, key := range slices.Sorted(maps.Keys(r.build)) {
		if reason := airBuild[key]; reason != "" {
			r.remark("build.%s (%s): %s", key, brief(r.build[key]), reason)
		} else if _, known := airBuild[key]; !known {
			r.remark("build.%s: left out: relevo knows nothing like it", key)
		}
	}
	r.signals()
	r.others()
	return nil
}

// plainBuild matches a build that relevo dev can do itself.
var plainBuild = lazyregexp.New(`^go build -o (\S+)(?: (\.\S*))?$`)

// runs is the command line of the built program.
func (r *airReader) runs() (run []string) {
	run = list(r.build["entrypoint"])
	if text, is := scalar(r.build["entrypoint"]); is {
		run = []string{text}
	}
	if full := r.text("full_bin"); full != "" {
		before := assignments.FindString(full)
		if rest := full[len(before):]; !strings.ContainsAny(rest, ofShell) {
			for _, variable := range strings.Fields(before) {
				name, value, _ := strings.Cut(variable, "=")
				r.set("env", name, literal(value), "")
			}
			full = rest
		}
		run = command(full)
	} else if len(run) == 0 {
		run = []string{r.text("bin")}
	}
	arguments := r.list("args_bin")
	if len(run) > 2 && run[0] == "sh" && len(arguments) > 0 {
		run = []string{"sh", "-c", run[2] + ` "$@"`, "sh"}
	}
	for _, argument := range arguments {
		run = append(run, literal(argument))
	}
	return run
}

// program sets what is built and run.
func (r *airReader) program() error {
	build, run := strings.TrimSpace(r.text("cmd")), r.runs()
	if len(run) == 0 || run[0] == "" {
		return errors.New("it has no command: build.entrypoint and build.bin are empty")
	}
	parts := plainBuild.FindStringSubmatch(build)
	if parts != nil && len(r.list("pre_cmd")) == 0 && path.Clean(parts[1]) == path.Clean(run[0]) {
		r.set("dev", "package", or(parts[2], "."), "build.cmd: relevo dev builds the package itself, and watches what go "+
			"list says that it is made of")
		if len(run) > 1 {
			run[0] = path.Base(run[0])
			r.set("", "command", run, "the arguments of the package's program")
		}
		return nil
	}
	r.set("", "command", r.built(&build, run), "")
	if build = strings.Join(append(r.list("pre_cmd"), build), " && "); build != "" {
		r.set("dev", "build", build, "build.cmd, after build.pre_cmd")
	}
	return nil
}

// built makes the build write outside the watched files, if the command names its output.
func (r *airReader) built(build *string, run []string) []string {
	for i, word := range run {
		name := strings.TrimPrefix(path.Clean(word), "./")
		named := regexp.MustCompile(`(^|\s)(?:\./)?` + regexp.QuoteMeta(name) + `(\s|$)`)
		inShell := i == 2 && run[0] == "sh"
		if inShell {
			bin := strings.TrimPrefix(path.Clean(r.text("bin")), "./")
			name, named = bin, regexp.MustCompile(`(^|\s)(?:\./)?`+regexp.QuoteMeta(bin)+`(\s|$)`)
		}
		if name == "" || !named.MatchString(*build) || i > 0 && !inShell {
			continue
		}
		*build = named.ReplaceAllString(*build, "${1}{out}${2}")
		if run[i] = "{out}"; inShell {
			run[i] = named.ReplaceAllString(word, "${1}{out}${2}")
		}
	}
	if !slices.ContainsFunc(run, func(word string) bool { return strings.Contains(word, "{out}") }) &&
		!strings.Contains(run[0], "/") && r.Exists != nil && r.Exists(run[0]) {
		run[0] = "./" + run[0]
	}
	return run
}

// rules turns commands for some of the files into rules of relevo dev.
func (r *airReader) rules() {
	all, _ := r.build["rules"].([]any)
	for i, one := range all {
		rule, _ := one.(map[string]any)
		rule = r.fitting("build.rules["+strconv.Itoa(i)+"].", rule, airRuleShapes(), nil)
		inputs := patterns(list(rule["include_dir"]), list(rule["include_ext"]))
		inputs = append(inputs, list(rule["include_file"])...)
		text, _ := scalar(rule["cmd"])
		name, _ := scalar(rule["name"])
		if text == "" || len(inputs) == 0 {
			r.remark("build.rules[%d]: left out: it has no cmd, or no include_dir, include_ext or include_file", i)
			continue
		}
		r.Tables = append(r.Tables, Table{"dev.rules", []Setting{
			{Key: "name", Value: or(name, "rule-"+strconv.Itoa(i))}, {Key: "inputs", Value: inputs}, {Key: "command",
				Value: text},
		}})
	}
}

// patterns are files below some directories with some extensions.
func patterns(dirs, extensions []string) (all []string) {
	if len(dirs) == 0 {
		dirs = []string{"."}
	}
	if len(extensions) == 0 || slices.Contains(extensions, "*") {
		extensions = []string{""}
	}
	for _, dir := range dirs {
		for _, extension := range extensions {
			name := "*"
			if extension != "" {
				name = "*." + strings.TrimPrefix(extension, ".")
			}
			all = append(all, path.Join(dir, "**", name))
		}
	}
	return all
}

// watch sets which files are watched. relevo dev itself finds the files of a Go program's package.
func (r *airReader) watch() {
	all := []string{}
	goAlone := slices.ContainsFunc(r.Settings, func(s Setting) bool { return s.Key == "package" })
	extensions := r.list("include_ext")
	if goAlone {
		extensions = slices.DeleteFunc(extensions, func(e string) bool { return e == "go" })
	} else if len(extensions) == 0 {
		extensions = []string{"go", "tpl", "tmpl", "html"}
	}
	if len(extensions) > 0 || !goAlone && len(r.list("include_dir")) > 0 {
		all = patterns(r.list("include_dir"), extensions)
	}
	all = append(all, r.list("include_file")...)
	if len(all) == 0 {
		return
	}
	temporary, _ := scalar(r.tree["tmp_dir"])
	excluded := r.list("exclude_dir")
	if r.build["exclude_dir"] == nil {
		excluded = []string{"assets", "vendor", "testdata"}
	}
	for _, dir := range append(excluded, or(temporary, "tmp")) {
		if pattern := "!" + path.Join(dir, "**"); !slices.Contains(all, pattern) {
			all = append(all, pattern)
		}
	}
	for _, file := range r.list("exclude_file") {
		all = append(all, "!"+path.Clean(file))
	}
	for _, expression := range r.list("exclude_regex") {
		if end, is := airSuffixes[expression]; is {
			all = append(all, "!**/*"+end)
		} else {
			r.remark("build.exclude_regex (%s): left out: dev.watch takes patterns, \"!**/*_test.go\"", brief(expression))
		}
	}
	r.set("dev", "watch", all, "build.include_… and build.exclude_…; files that .gitignore names do not count, either")
}

// airSuffixes are the expressions of air's own file, as ends of names.
var airSuffixes = map[string]string{"_test.go": "_test.go", `_test\.go`: "_test.go", `_test\.go$`: "_test.go",
	`_templ\.go`: "_templ.go", `_templ\.go$`: "_templ.go", "_templ.go": "_templ.go"}
