//go:build !linux

package listeners

import "errors"

var errNoActivation = errors.New("socket activation is for Linux")

func describe(int) (endpoint, error) { return endpoint{}, errNoActivation }
