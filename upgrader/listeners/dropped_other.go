//go:build !linux

package listeners

func droppedAt(*Listener) int { return 0 }

func datagrams(*Listener) (waiting, dropped int) { return 0, 0 }

func waitingLocally(*Listener) int { return 0 }

func discarded(*Listener) *int { return nil }
