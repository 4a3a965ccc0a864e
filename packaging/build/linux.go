package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm"
)

// linuxPackages makes a package of Debian and one of RPM.
func (r *release) linuxPackages(b binary) error {
	if b.os != "linux" {
		return nil
	}
	dir, err := os.MkdirTemp("", "relevo-package-")
	if err != nil {
		return fmt.Errorf("cannot make packages: %w", err)
	}
	defer os.RemoveAll(dir)
	for _, format := range []string{"deb", "rpm"} {
		if err := r.linuxPackage(b, format, filepath.Join(dir, format)); err != nil {
			return fmt.Errorf("cannot make the package for %s: %w", format, err)
		}
	}
	return nil
}

func (r *release) linuxPackage(b binary, format, dir string) error {
	contents, err := stage(r.installed(b, format), dir)
	if err != nil {
		return err
	}
	p := b.program
	scripts := filepath.Join(r.sources, "packaging", "files", p.name)
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: p.name, Arch: b.arch, Platform: "linux", Version: r.version, Release: "1",
		Section: "admin", Priority: "optional", License: "Apache-2.0", MTime: r.time,
		Maintainer: r.maintainer, DisableGlobbing: true,
		Description: p.summary + "\n" + p.text,
		Overridables: nfpm.Overridables{
			Contents: contents, Umask: 0o022,
			Scripts: nfpm.Scripts{PostInstall: filepath.Join(scripts, "postinst"),
				PreRemove: filepath.Join(scripts, "prerm"), PostRemove: filepath.Join(scripts, "postrm")},
			Deb: nfpm.Deb{Compression: "gzip"},
			RPM: nfpm.RPM{BuildHost: "relevo", Summary: p.summary, Compression: "gzip"},
		},
	})
	if err := nfpm.PrepareForPackager(info, format); err != nil {
		return err
	}
	packager, err := nfpm.Get(format)
	if err != nil {
		return err
	}
	var data bytes.Buffer
	if err := packager.Package(info, &data); err != nil {
		return err
	}
	return r.write(packager.ConventionalFileName(info), data.Bytes())
}

// installed are the files of a package, by their places.
func (r *release) installed(b binary, format string) (all []file) {
	name := b.program.name
	zsh := map[string]string{"deb": "/usr/share/zsh/vendor-completions/", "rpm": "/usr/share/zsh/site-functions/"}[format]
	places := map[string]string{
		"completions/" + name + ".bash": "/usr/share/bash-completion/completions/" + name,
		"completions/_" + name:          zsh + "_" + name,
		"completions/" + name + ".fish": "/usr/share/fish/vendor_completions.d/" + name + ".fish",
		"LICENSE":                       "/usr/share/doc/" + name + "/copyright",
	}
	all = append([]file{{"/usr/bin/" + name, 0o755, b.data}}, b.program.extra...)
	for _, f := range b.program.shared {
		switch place := places[f.path]; {
		case place != "":
			all = append(all, file{place, f.mode, f.data})
		case f.isDir():
		case strings.HasPrefix(f.path, "man/man1/"):
			if page, err := compress(f.data); err == nil {
				all = append(all, file{"/usr/share/" + f.path + ".gz", f.mode, page})
			}
		case strings.HasPrefix(f.path, "systemd/"):
			all = append(all, file{"/usr/lib/systemd/system/" + filepath.Base(f.path), f.mode, f.data})
		case strings.HasSuffix(f.path, ".md"):
			all = append(all, file{"/usr/share/doc/" + name + "/" + f.path, f.mode, f.data})
		}
	}
	return all
}

// sysusers makes the user that workers may have: user = "relevo" in the table limits of relevo.toml.
const sysusers = "u relevo - \"Workers of relevo\" / -\n"

// tmpfiles makes the directories as the masters of root would: users and workers of other users may
// enter, and not look.
const tmpfiles = "d /run/relevo 0711 root root -\nd /var/lib/relevo 0711 root root -\n"

// stage puts the files into a directory, from where nfpm takes them.
func stage(all []file, dir string) (contents files.Contents, err error) {
	for _, f := range all {
		info := &files.ContentFileInfo{Owner: "root", Group: "root", Mode: os.FileMode(f.mode)}
		if f.isDir() {
			contents = append(contents, &files.Content{Destination: f.path, Type: files.TypeDir, FileInfo: info})
			continue
		}
		at := filepath.Join(dir, f.path)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(at, f.data, os.FileMode(f.mode)); err != nil {
			return nil, err
		}
		contents = append(contents, &files.Content{Source: at, Destination: f.path, Type: files.TypeFile, FileInfo: info})
	}
	return contents, nil
}
