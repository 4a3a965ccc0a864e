package serve

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxListed bounds what one request for a listing may cost.
const maxListed = 10_000

//go:embed listing.html
var listingHTML string

// listingPage renders a listing. Values are escaped by html/template for the place where they stand.
// It is parsed when the first listing is shown: each worker starts with a start of this program.
var listingPage = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("listing").Parse(listingHTML))
})

// listing is what listing.html shows.
type listing struct {
	Path    string // of the directory, "/" for the root
	Parent  bool
	Entries []entry
	More    bool // some are left out
}

type entry struct {
	Name string // with a slash after directories
	Link string // relative
	Size string // empty for directories
	Time string
	dir  bool
}

// document is a page with its headers.
type document struct {
	body   []byte
	policy string // Content-Security-Policy
}

func (d document) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", d.policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Length", strconv.Itoa(len(d.body)))
	w.Write(d.body)
}

// list renders the entries of an open directory.
func (f *files) list(dir *os.File, name string) (document, error) {
	found, err := dir.ReadDir(f.most + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return document{}, err
	}
	l := listing{Path: "/", Parent: name != "."}
	if l.Parent {
		l.Path = "/" + name + "/"
	}
	if len(found) > f.most {
		found, l.More = found[:f.most], true
	}
	for _, d := range found {
		if e, ok := f.entry(name, d.Name()); ok {
			l.Entries = append(l.Entries, e)
		}
	}
	slices.SortFunc(l.Entries, byKindAndName)
	return l.render()
}

func (l listing) render() (document, error) {
	var page bytes.Buffer
	if err := listingPage().Execute(&page, l); err != nil {
		return document{}, fmt.Errorf("internal error: cannot render a listing: %w", err)
	}
	return document{body: page.Bytes(), policy: policy(listingHTML)}, nil
}

// entry describes one name of a directory. It leaves out what a request for it
// would not get: hidden names, special files, links that lead out or nowhere.
func (f *files) entry(dir, name string) (entry, bool) {
	if !f.hidden && strings.HasPrefix(name, ".") {
		return entry{}, false
	}
	info, err := f.root.Stat(path.Join(dir, name))
	if err != nil || !isPlain(info) {
		return entry{}, false
	}
	e := entry{Name: name, dir: info.IsDir(), Time: info.ModTime().UTC().Format(time.DateTime)}
	link := url.URL{Path: "./" + name}
	if e.dir {
		e.Name += "/"
		link.Path += "/"
	} else {
		e.Size = size(info)
	}
	e.Link = link.String()
	return e, true
}

func byKindAndName(a, b entry) int {
	if a.dir != b.dir {
		if a.dir {
			return -1
		}
		return 1
	}
	return strings.Compare(a.Name, b.Name)
}

// size returns the length of a file in a unit that suits it.
func size(info fs.FileInfo) string {
	n := float64(info.Size())
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		if n < 1024 {
			return strings.TrimSuffix(strconv.FormatFloat(n, 'f', 1, 64), ".0") + " " + unit
		}
		n /= 1024
	}
	return strconv.FormatFloat(n, 'f', 1, 64) + " TiB"
}
