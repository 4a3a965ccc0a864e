package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-analyze/charts"

	"relevo/bench/figures"
)

// picture is a column that was drawn.
type picture struct{ file, title string }

// plot draws the medians of the columns that are to be drawn, each as bars in a file of its own.
func (r *result) plot(dir, table string) (drawn []picture, err error) {
	for i, c := range r.Columns {
		if !c.Plot {
			continue
		}
		var names []string
		var bars []float64
		for _, peer := range slices.Backward(r.Rows) { // the first one on top
			if sample := r.Cells[peer][c.Name].Figures; len(sample) > 0 {
				names, bars = append(names, peer), append(bars, figures.Median(sample))
			}
		}
		if len(names) == 0 {
			continue
		}
		p := picture{fmt.Sprintf("%s-%d.svg", table, i+1), c.Name}
		if err := draw(filepath.Join(dir, p.file), c, names, bars); err != nil {
			return nil, err
		}
		drawn = append(drawn, p)
	}
	return drawn, nil
}

// draw writes horizontal bars as SVG.
func draw(path string, c column, names []string, bars []float64) error {
	chart := charts.NewBarChartOptionWithData([][]float64{bars})
	chart.Horizontal = true
	chart.Title.Text = c.Name
	chart.Padding = charts.NewBoxEqual(20)
	chart.CategoryAxis.Labels, chart.CategoryAxis.Unit = names, 1
	room := max(slices.Max(bars)*1.1, 1) // for the number at the end of the longest bar
	chart.ValueAxis = []charts.ValueAxisOption{{Min: charts.Ptr(0.0), Max: &room, Show: charts.Ptr(false)}}
	for i := range chart.SeriesList {
		label := &chart.SeriesList[i].Label
		label.Show, label.ValueFormatter = charts.Ptr(true), func(v float64) string { return fmt.Sprintf(c.Format, v) }
	}
	painter := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: 760,
		Height: 110 + 30*len(names)})
	err := painter.BarChart(chart)
	var drawing []byte
	if err == nil {
		drawing, err = painter.Bytes()
	}
	if err == nil {
		err = os.WriteFile(path, drawing, 0o644)
	}
	if err != nil {
		return fmt.Errorf("cannot draw %q: %w", c.Name, err)
	}
	return nil
}
