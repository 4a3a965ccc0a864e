package serve

import (
	"io/fs"
	"net/http"
	"path"
)

const indexPage = "index.html"

// isRoute says whether a path is one that only the single page in the browser knows: nothing is
// there that can be served, and the path has no file extension. A missing script or picture stays
// missing: the page in its place would be an error that is hard to find.
func (f *files) isRoute(name string, info fs.FileInfo, err error) bool {
	if !f.single || path.Ext(path.Base(name)) != "" && name != "." {
		return false
	}
	if err != nil {
		return isMissing(err) && !refused(err)
	}
	if !info.IsDir() {
		return false
	}
	index, err := f.root.Stat(path.Join(name, indexPage))
	return err != nil && isMissing(err) && !refused(err) || err == nil && index.IsDir()
}

// sendPage answers with the page of all routes.
func (f *files) sendPage(w http.ResponseWriter, r *http.Request) {
	file, info, err := f.open(indexPage)
	if err == nil && info.IsDir() {
		file.Close()
		err = errSpecial
	}
	if err != nil {
		f.fail(w, indexPage, err)
		return
	}
	defer file.Close()
	f.send(w, r, file, info)
}
