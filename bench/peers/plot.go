package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

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
		if err := draw(filepath.Join(dir, fmt.Sprintf("%s-%d.svg", table, i+1)), c.name, names, bars); err != nil {
			return err
		}
	}
	return nil
}

// draw writes horizontal bars as SVG.
func draw(path, title string, names []string, bars []float64) error {
	painter, err := charts.HorizontalBarRender([][]float64{bars},
		charts.SVGOutputOptionFunc(),
		charts.TitleTextOptionFunc(title),
		charts.YAxisLabelsOptionFunc(names),
		charts.DimensionsOptionFunc(760, 60+30*len(names)),
		func(o *charts.ChartOption) {
			for i := range o.SeriesList {
				o.SeriesList[i].Label.Show = charts.Ptr(true)
			}
		})
	if err != nil {
		return fmt.Errorf("cannot draw %q: %w", title, err)
	}
	picture, err := painter.Bytes()
	if err != nil {
		return fmt.Errorf("cannot draw %q: %w", title, err)
	}
	if err := os.WriteFile(path, picture, 0o644); err != nil {
		return fmt.Errorf("cannot write a picture: %s", strings.TrimPrefix(err.Error(), "open "))
	}
	return nil
}
