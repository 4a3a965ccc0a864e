//go:build !linux

package main

import (
	"errors"
	"net/http"
)

// Programs are captured on Linux only.

func bindUnixAndServe(*http.Server, string) error { return errors.ErrUnsupported }

func echoUDP(string, string) error { return errors.ErrUnsupported }

func misbind(http.ResponseWriter, *http.Request) {}
