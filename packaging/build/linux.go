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
	scripts := filepath.Join(r.sources, "packaging", "files")
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: "relevo", Arch: b.arch, Platform: "linux", Version: r.version, Release: "1",
		Section: "admin", Priority: "optional", License: "Apache-2.0", MTime: r.time,
		Maintainer: r.maintainer, DisableGlobbing: true,
		Description: "Zero-downtime process master\n" +
			"It holds listening sockets, keeps a pool of workers behind them, and replaces\n" +
			"workers, releases and itself while the sockets never close.",
		Overridables: nfpm.Overridables{
			Contents: contents, Umask: 0o022,
			Scripts: nfpm.Scripts{PostInstall: filepath.Join(scripts, "postinst"),
				PreRemove: filepath.Join(scripts, "prerm"), PostRemove: filepath.Join(scripts, "postrm")},
			Deb: nfpm.Deb{Compression: "gzip"},
			RPM: nfpm.RPM{BuildHost: "relevo", Summary: "Zero-downtime process master", Compression: "gzip"},
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
	zsh := map[string]string{"deb": "/usr/share/zsh/vendor-completions/", "rpm": "/usr/share/zsh/site-functions/"}[format]
	places := map[string]string{
		"completions/relevo.bash": "/usr/share/bash-completion/completions/relevo", "completions/_relevo": zsh + "_relevo",
		"completions/relevo.fish": "/usr/share/fish/vendor_completions.d/relevo.fish",
		"systemd/relevo@.service": "/usr/lib/systemd/system/relevo@.service", "LICENSE": "/usr/share/doc/relevo/copyright",
		"README.md": "/usr/share/doc/relevo/README.md", "CHANGELOG.md": "/usr/share/doc/relevo/CHANGELOG.md",
	}
	all = []file{{"/usr/bin/relevo", 0o755, b.data}, {path: "/etc/relevo/", mode: 0o755},
		{"/usr/lib/sysusers.d/relevo.conf", 0o644, []byte(sysusers)},
		{"/usr/lib/tmpfiles.d/relevo.conf", 0o644, []byte(tmpfiles)}}
	for _, f := range r.shared {
		switch place := places[f.path]; {
		case place != "":
			all = append(all, file{place, f.mode, f.data})
		case strings.HasPrefix(f.path, "man/man1/") && !f.isDir():
			if page, err := compress(f.data); err == nil {
				all = append(all, file{"/usr/share/" + f.path + ".gz", f.mode, page})
			}
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
