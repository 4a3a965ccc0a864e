package imports

import (
	"fmt"
	"path/filepath"
	"strings"

	"relevo/internal/config"
	"relevo/internal/lazyregexp"
)

var process = lazyregexp.New(`^([A-Za-z0-9_-]+):\s*(\S.*)$`)

// firstPort is what foreman and others set PORT to where nothing else does.
const firstPort = 5000

// readProcfile makes a document of NAME: COMMAND lines.
func readProcfile(data []byte, s Source) (*Document, error) {
	d := &Document{From: s.Path}
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		parts := process.FindStringSubmatch(line)
		if parts == nil {
			return nil, fmt.Errorf("line %d: %q is no NAME: COMMAND", number, line)
		}
		name, text := parts[1], strings.TrimSpace(parts[2])
		if name == "release" {
			d.Remarks = append(d.Remarks, "release: left out: relevo starts again what ends. Type it before relevo "+
				"reload: "+text)
			continue
		}
		app := App{Name: config.NameOf(name)}
		app.set("", "command", command(text), "")
		app.directory(s, "")
		app.set("", "workers", 1, "")
		if s.Exists != nil && s.Exists(".env") {
			app.set("", "env_files", []string{filepath.Join(s.Base, ".env")}, "foreman and others read this file, too")
		}
		if name == "web" || strings.Contains(text, "PORT") {
			app.set("env", "PORT", fmt.Sprint(firstPort+100*len(d.Apps)), "as from foreman")
		}
		d.add(app)
	}
	return d, nil
}
