package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// npmSystems and npmProcessors are Node's words for Go's.
var (
	npmSystems    = map[string]string{"linux": "linux", "darwin": "darwin"}
	npmProcessors = map[string]string{"amd64": "x64", "arm64": "arm64", "386": "ia32", "riscv64": "riscv64"}
)

func npmPlatform(t target) string { return npmSystems[t.os] + "-" + npmProcessors[t.arch] }

// manifest is package.json.
type manifest struct {
	Name         string            `json:"name"`
	Version      string            `json:"version"`
	Description  string            `json:"description"`
	License      string            `json:"license"`
	Bin          map[string]string `json:"bin,omitempty"`
	OS           []string          `json:"os,omitempty"`
	CPU          []string          `json:"cpu,omitempty"`
	Engines      map[string]string `json:"engines,omitempty"`
	Optional     map[string]string `json:"optionalDependencies,omitempty"`
	PreferUnplug bool              `json:"preferUnplugged,omitempty"` // a program in an archive cannot be run
}

// npmBinary makes the package of one platform: the binary alone. npm installs it where os and cpu fit.
func (r *release) npmBinary(b binary) error {
	platform := npmPlatform(b.target)
	m := manifest{Name: "@relevo/" + platform, Description: "relevo for " + platform, OS: []string{npmSystems[b.os]},
		CPU: []string{npmProcessors[b.arch]}, PreferUnplug: true}
	return r.npmPackage(m, "relevo-"+platform, file{"package/bin/relevo", 0o755, b.data})
}

// npmMain makes the package that users name. It has no scripts, so npm runs nothing while it installs.
func (r *release) npmMain() error {
	m := manifest{Name: "relevo", Description: "Zero-downtime process master: any command as a pool of workers",
		Bin: map[string]string{"relevo": "bin/relevo.js"}, Engines: map[string]string{"node": ">=16"},
		Optional: map[string]string{}}
	for _, b := range r.built {
		m.Optional["@relevo/"+npmPlatform(b.target)] = r.version
	}
	shim, err := os.ReadFile(filepath.Join(r.sources, "packaging", "npm", "relevo.js"))
	if err != nil {
		return fmt.Errorf("cannot make the package for npm: %w", err)
	}
	readme, err := os.ReadFile(filepath.Join(r.sources, "README.md"))
	if err != nil {
		return fmt.Errorf("cannot make the package for npm: %w", err)
	}
	return r.npmPackage(m, "relevo", file{"package/bin/relevo.js", 0o755, shim}, file{"package/README.md", 0o644, readme})
}

// npmPackage makes what npm pack makes.
func (r *release) npmPackage(m manifest, name string, files ...file) error {
	m.Version, m.License = r.version, "Apache-2.0"
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(m); err != nil {
		return fmt.Errorf("cannot make the package for npm: %w", err)
	}
	files = append(files, file{"package/package.json", 0o644, text.Bytes()})
	for _, f := range r.programs[0].shared {
		if f.path == "LICENSE" {
			files = append(files, file{"package/LICENSE", 0o644, f.data})
		}
	}
	data, err := r.tgz(files)
	if err != nil {
		return err
	}
	return r.write(name+"-"+r.version+".tgz", data)
}
