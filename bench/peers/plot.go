package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-analyze/charts"

	"relevo/bench/figures"
)

// plot draws the medians of the columns that are to be drawn, each as bars in a file of its own.
func (r *result) plot(dir, table string) error {
	for i, c := range r.columns {
		if !c.plot {
			continue
		}
		var names []string
		var bars []float64
		for j := len(r.rows) - 1; j >= 0; j-- { // the first one on top
			sample := r.cells[r.rows[j]][c.name]
			if len(sample) == 0 {
				continue
			}
			names, bars = append(names, r.rows[j]), append(bars, figures.Median(sample))
		}
		if len(names) == 0 {
			continue
		}
		if err := draw(filepath.Join(dir, fmt.Sprintf("%s-%d.svg", table, i+1)), c.name, c.format, names, bars); err != nil {
			return err
		}
	}
	return nil
}

// draw writes horizontal bars as SVG.
func draw(path, title, format string, names []string, bars []float64) error {
	chart := charts.NewBarChartOptionWithData([][]float64{bars})
	chart.Horizontal = true
	chart.Title.Text = title
	chart.Padding = charts.NewBoxEqual(20)
	chart.CategoryAxis.Labels, chart.CategoryAxis.Unit = names, 1
	room := slices.Max(bars) * 1.1 // for the number at the end of the longest bar
	chart.ValueAxis = []charts.ValueAxisOption{{Min: charts.Ptr(0.0), Max: &room, Show: charts.Ptr(false)}}
	for i := range chart.SeriesList {
		label := &chart.SeriesList[i].Label
		label.Show, label.ValueFormatter = charts.Ptr(true), func(v float64) string { return fmt.Sprintf(format, v) }
	}
	painter := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: 760,
		Height: 110 + 30*len(names)})
	err := painter.BarChart(chart)
	var picture []byte
	if err == nil {
		picture, err = painter.Bytes()
	}
	if err == nil {
		err = os.WriteFile(path, picture, 0o644)
	}
	if err != nil {
		return fmt.Errorf("cannot draw %q: %w", title, err)
	}
	return nil
}
