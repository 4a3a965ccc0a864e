package config

import (
	"fmt"
	"strconv"
)

// maxShare prevents that a canary gets most of the new connections.
const maxShare = 0.5

// ParseShare reads the part of new connections that a canary gets.
func ParseShare(text string) (float64, error) {
	share, err := ParseFraction(text)
	if err != nil {
		return 0, fmt.Errorf("cannot read %q as a share: write 5%% or 0.05, from 0%% to 50%%", text)
	}
	if share > maxShare {
		return 0, fmt.Errorf("cannot give a canary %s of the new connections: 0%% to 50%% are possible", ShareText(share))
	}
	return share, nil
}

// ShareText is a share in percent.
func ShareText(share float64) string {
	return strconv.FormatFloat(share*100, 'g', 6, 64) + "%"
}

func share() kind[float64] {
	return written("PART", "5%", ParseShare, ShareText).also([]string{"string", "number"}, formFloat, formInteger)
}
