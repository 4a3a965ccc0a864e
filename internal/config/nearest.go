package config

// Nearest returns the choice that a typing error in word is closest to, empty if
// none is close.
func Nearest(word string, choices []string) string {
	best, distance := "", 3
	for _, choice := range choices {
		if d := editDistance(word, choice); d < distance && d < len(choice) {
			best, distance = choice, d
		}
	}
	return best
}

// editDistance is Levenshtein's, row by row.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		previous := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := previous
			if a[i] != b[j] {
				change++
			}
			previous = row[j+1]
			row[j+1] = min(change, previous+1, row[j]+1)
		}
	}
	return row[len(b)]
}
