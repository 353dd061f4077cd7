package bench

// output.go writes rows for people and for programs.

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// WriteJSON writes rows as an array of JSON.
func WriteJSON(to io.Writer, rows []Row) error {
	if rows == nil {
		rows = []Row{}
	}
	encoder := json.NewEncoder(to)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(rows); err != nil {
		return fmt.Errorf("writing the rows: %w", err)
	}
	return nil
}

// WriteTable writes rows as a table, after a line about the machine and the servers.
func WriteTable(to io.Writer, rows []Row) error {
	if len(rows) == 0 {
		return nil
	}
	r := &rows[0]
	_, err := fmt.Fprintf(to, "%s\npayload %d bytes, %d keys, %d workers, batches of %d\n\n", r.Environment.text(), r.Payload, r.Keys, r.Workers, r.Batch)
	if err != nil {
		return fmt.Errorf("writing the rows: %w", err)
	}
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "SCENARIO\tSINK\tVARIANT\tMESSAGES\tRATE/S\tMIN-MAX\tCPU US\tP50 MS\tP99 MS\tPEAK MB\tRATIOS")
	for i := range rows {
		r := &rows[i]
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%.0f\t%.0f-%.0f\t%s\t%s\t%s\t%s\t%s\n", r.Scenario, r.Sink, dash(r.Variant), r.Messages, r.Rate,
			slices.Min(r.Rates), slices.Max(r.Rates), number(r.CPUMicros), number(r.P50), number(r.P99),
			number(float64(r.PeakRSS)/1e6), ratioText(r.Ratios))
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("writing the rows: %w", err)
	}
	return nil
}

func (e *Environment) text() string {
	which := "given"
	if e.Private {
		which = "private"
	}
	return fmt.Sprintf("%d CPUs, %s, %s; PostgreSQL %s (%s), fsync %s, synchronous_commit %s, of the relay %s, "+
		"shared_buffers %s, max_wal_size %s; Redis %s, appendfsync %s", e.CPUs, e.System, e.Go, e.PostgreSQL, which, e.Fsync,
		e.ProducersSynchronousCommit, e.RelaySynchronousCommit, e.SharedBuffers, e.MaxWALSize, e.Redis, e.AppendFsync)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// number leaves out what was not measured.
func number(n float64) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", n)
}

func ratioText(ratios map[string]float64) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(ratios)) {
		parts = append(parts, fmt.Sprintf("%.2f x %s", ratios[name], name))
	}
	return dash(strings.Join(parts, ", "))
}
