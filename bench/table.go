package main

import "fmt"

// table prints Markdown, a row as soon as it is known.
type table struct{}

func (table) header() {
	fmt.Println("| measured | median (min … max) | wanted |")
	fmt.Println("|---|---|---|")
}

func (table) row(what, value, wanted string) { fmt.Printf("| %s | %s | %s |\n", what, value, wanted) }
