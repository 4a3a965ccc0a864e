package main

import (
	"bytes"
	"debug/buildinfo"
	"fmt"
	"runtime/debug"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/uuid"
)

// listModules writes the bill of materials of a binary, from what Go has put into it. Its serial
// number is made of the binary, so that it is the same each time.
func (r *release) listModules(b binary) error {
	info, err := buildinfo.Read(bytes.NewReader(b.data))
	if err != nil {
		return fmt.Errorf("cannot read the modules of the binary: %w", err)
	}
	bom, name := cdx.NewBOM(), b.program.name
	bom.SerialNumber = uuid.NewSHA1(uuid.NameSpaceOID, b.data).URN()
	bom.Metadata = &cdx.Metadata{
		Timestamp: r.time.Format(time.RFC3339),
		Component: &cdx.Component{BOMRef: name, Type: cdx.ComponentTypeApplication, Name: name,
			Version: r.version, Hashes: &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: digest(b.data)}},
			Licenses: &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}}},
	}
	standard := cdx.Component{BOMRef: "std", Type: cdx.ComponentTypeLibrary, Name: "std", Version: info.GoVersion,
		PackageURL: "pkg:golang/std@" + info.GoVersion}
	components, refs := []cdx.Component{standard}, []string{"std"}
	for _, module := range info.Deps {
		c := r.moduleComponent(module)
		components, refs = append(components, c), append(refs, c.BOMRef)
	}
	bom.Components = &components
	bom.Dependencies = &[]cdx.Dependency{{Ref: name, Dependencies: &refs}}
	var text bytes.Buffer
	if err := cdx.NewBOMEncoder(&text, cdx.BOMFileFormatJSON).SetPretty(true).Encode(bom); err != nil {
		return fmt.Errorf("cannot write the list of modules: %w", err)
	}
	return r.write(r.base(name, b.target)+".cdx.json", text.Bytes())
}

func (r *release) moduleComponent(m *debug.Module) cdx.Component {
	path, version, sum := m.Path, m.Version, m.Sum
	switch {
	case m.Replace == nil:
	case m.Replace.Sum == "": // by a directory of this project
		version = "v" + r.version
	default:
		path, version, sum = m.Replace.Path, m.Replace.Version, m.Replace.Sum
	}
	url := "pkg:golang/" + path + "@" + version
	c := cdx.Component{BOMRef: url, Type: cdx.ComponentTypeLibrary, Name: path, Version: version, PackageURL: url}
	if sum != "" {
		c.Properties = &[]cdx.Property{{Name: "go.sum", Value: sum}}
	}
	return c
}
