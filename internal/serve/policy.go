package serve

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// policy returns the Content-Security-Policy of a self-contained page: its own
// style and script by their hashes, requests to where it came from, nothing else.
func policy(page string) string {
	return "default-src 'none'; style-src " + hashes(page, "style") +
		"; script-src " + hashes(page, "script") +
		"; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// hashes lists the hashes of all elements of one kind that have no attributes.
func hashes(page, element string) string {
	var all []string
	for {
		_, rest, found := strings.Cut(page, "<"+element+">")
		if !found {
			break
		}
		var content string
		content, page, _ = strings.Cut(rest, "</"+element+">")
		sum := sha256.Sum256([]byte(content))
		all = append(all, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	}
	if len(all) == 0 {
		return "'none'"
	}
	return strings.Join(all, " ")
}
