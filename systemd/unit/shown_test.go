package unit_test

import (
	"os"
	"strings"
	"testing"

	. "relevo/systemd/unit"
)

const shownPath = "../../docs/systemd.md"

// TestShownUnit: docs/systemd.md shows the unit as it is. -update rewrites it.
func TestShownUnit(t *testing.T) {
	shop := app(t, ":8080")
	shop.Command, shop.Workers = []string{"./server"}, 3
	all := files(t, Options{App: shop, Program: "/usr/local/bin/relevo", Config: "/srv/shop/relevo.toml"})
	page, err := os.ReadFile(shownPath)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(page), "```ini\n")
	shown, after, found := strings.Cut(rest, "```")
	if !found {
		t.Fatalf("%s shows no unit between ```ini and ```", shownPath)
	}
	if shown == all[0].Text {
		return
	}
	if !*update {
		t.Fatalf("%s shows another unit than relevo writes: go test ./systemd/unit -run TestShownUnit -update", shownPath)
	}
	if err := os.WriteFile(shownPath, []byte(before+"```ini\n"+all[0].Text+"```"+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
