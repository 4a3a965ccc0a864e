//go:build !linux

package main

import "context"

func systemdService(context.Context, *service) error { return absent{"systemd runs on Linux"} }

func systemdSocket(context.Context, *service) error { return absent{"systemd runs on Linux"} }
