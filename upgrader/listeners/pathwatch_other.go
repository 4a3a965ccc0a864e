//go:build !linux

package listeners

import "errors"

// pathWatch needs inotify; no program is captured elsewhere.
type pathWatch struct{}

func watchPaths(func()) (*pathWatch, error) { return nil, errors.ErrUnsupported }

func (*pathWatch) add(string) error { return errors.ErrUnsupported }
func (*pathWatch) close()           {}
