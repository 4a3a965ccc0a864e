//go:build !linux

package upgrader

import "errors"

var errNoActivation = errors.New("socket activation is for Linux")

func describe(int) (endpoint, error) { return endpoint{}, errNoActivation }
