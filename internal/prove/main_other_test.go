//go:build !linux

package prove

func leftovers() string { return "" }
