package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
)

//go:embed page
var pageFiles embed.FS

// page is the page's files, in memory.
type page struct {
	files   map[string][]byte
	version string // of all of them
}

func newPage() (*page, error) {
	p := &page{files: map[string][]byte{}}
	sum := sha256.New()
	err := fs.WalkDir(pageFiles, "page", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := pageFiles.ReadFile(path)
		p.files[d.Name()] = text
		sum.Write(text)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("internal error: %w", err)
	}
	p.version = hex.EncodeToString(sum.Sum(nil))[:12]
	return p, nil
}

func (p *page) index(w http.ResponseWriter, _ *http.Request) { p.write(w, "index.html") }

func (p *page) file(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	if _, there := p.files[name]; !there {
		refuse(w, http.StatusNotFound, "cannot find this file of the page: load the page again")
		return
	}
	p.write(w, name)
}

func (p *page) write(w http.ResponseWriter, name string) {
	kind := map[string]string{"html": "text/html", "css": "text/css", "js": "text/javascript"}
	w.Header().Set("Content-Type", kind[name[strings.LastIndexByte(name, '.')+1:]]+"; charset=utf-8")
	w.Write(p.files[name])
}
