package serve

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestListing(t *testing.T) {
	evil := `<img src=x onerror=alert(1)>"'&.txt`
	dir := tree(t, map[string]string{
		"d/b.txt": "12", "d/a.txt": strings.Repeat("x", 1536), "d/z/": "", "d/Sub/f": "", "d/.hidden": "h", "d/" + evil: "e",
		"d/javascript:alert(1)": "j",
		"d/50%?#":               "p", "d/out": "-> /etc/passwd", "d/dangling": "-> x", "d/link": "-> z", "empty/": "",
	})
	s := newSite(t, Options{Dir: dir})
	w := s.get("GET", "/d/")
	page := w.Body.String()
	var names []string
	for line := range strings.Lines(page) {
		if _, rest, ok := strings.Cut(line, `<tr><td><a href="`); ok {
			link, rest, _ := strings.Cut(rest, `">`)
			text, _, _ := strings.Cut(rest, "</a>")
			names = append(names, link+" "+text)
		}
	}
	want := []string{
		"./Sub/ Sub/", "./link/ link/", "./z/ z/",
		"./50%25%3F%23 50%?#",
		"./%3Cimg%20src=x%20onerror=alert%281%29%3E%22%27&amp;.txt &lt;img src=x onerror=alert(1)&gt;&#34;&#39;&amp;.txt",
		"./a.txt a.txt", "./b.txt b.txt", "./javascript:alert%281%29 javascript:alert(1)",
	}
	if got := strings.Join(names, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("entries:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
	for _, part := range []string{"<h1>/d/</h1>", `href="../"`, "1.5 KiB", "2 B", "2023-11-14 22:13:20"} {
		if !strings.Contains(page, part) {
			t.Errorf("the listing has no %q:\n%s", part, page)
		}
	}
	checkPolicy(t, w)
	for _, link := range []string{"/d/50%25%3F%23", "/d/%3Cimg%20src=x%20onerror=alert%281%29%3E%22%27&.txt",
		"/d/javascript:alert%281%29"} {
		s.want(t, link, 200, "")
	}
	if page := s.get("GET", "/").Body.String(); strings.Contains(page, `href="../"`) {
		t.Error("the root's listing leads up")
	}
	if page := s.get("GET", "/empty/").Body.String(); !strings.Contains(page, "nothing here") {
		t.Errorf("an empty directory: %s", page)
	}
	newSite(t, Options{Dir: dir, NoListing: true}).want(t, "/d/", 403, "")
}

// A directory of any size costs a bounded answer.
func TestListingIsBounded(t *testing.T) {
	dir := t.TempDir()
	for i := range 8 {
		os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), nil, 0o644)
	}
	s := newSite(t, Options{Dir: dir})
	for most, shown := range map[int]int{5: 5, 8: 8, maxListed: 8} {
		s.Handler.(*files).most = most
		page := s.get("GET", "/").Body.String()
		n, more := strings.Count(page, "<tr><td>"), strings.Contains(page, "more entries")
		if n != shown || more != (shown < 8) {
			t.Errorf("at most %d: %d entries are listed, and a word about the rest: %v", most, n, more)
		}
	}
}

// checkPolicy proves that the page's own style and script, as sent, are the
// ones that its Content-Security-Policy allows, and that nothing else is.
func checkPolicy(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	page, sent := w.Body.String(), w.Header().Get("Content-Security-Policy")
	if !strings.HasPrefix(sent, "default-src 'none';") || strings.Contains(sent, "unsafe") {
		t.Errorf("the policy is %s", sent)
	}
	inline := regexp.MustCompile(`(?s)<(style|script)>(.*?)</(?:style|script)>`).FindAllStringSubmatch(page, -1)
	if len(inline) == 0 {
		t.Error("the page has no style")
	}
	for _, m := range inline {
		sum := sha256.Sum256([]byte(m[2]))
		if want := m[1] + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(sent, want) {
			t.Errorf("the policy is %s\nwithout %s", sent, want)
		}
	}
	for _, part := range []string{"<style ", "<script ", "style=", "src=\"http", "href=\"http", "//cdn", "@import",
		"url("} {
		if strings.Contains(page, part) {
			t.Errorf("the page has %q", part)
		}
	}
}
