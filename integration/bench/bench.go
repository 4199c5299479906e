package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// bench is a run of the benchmark.
type bench struct {
	options
	scene *scene
	stand *stand           // the one that is open, if any
	peaks map[string]int64 // the most memory that each server had resident, in bytes
}

func run(ctx context.Context, o options) (err error) {
	if o.program, err = filepath.Abs(o.program); err != nil {
		return err
	}
	r, err := newReport(ctx, o)
	if err != nil {
		return err
	}
	b := &bench{options: o, peaks: make(map[string]int64)}
	if b.scene, err = newScene(ctx, o.scale.LUNBytes); err != nil {
		return err
	}
	defer b.scene.close()
	if err := errors.Join(b.measure(ctx, r), b.leave()); err != nil {
		return err
	}
	r.judgeMemory(b.peaks)
	r.printEnd(os.Stdout)
	return r.write(o.json)
}

// measure does the cells, one after the other.
func (b *bench) measure(ctx context.Context, r *report) error {
	r.printStart(os.Stdout)
	for _, c := range b.cells {
		result, err := b.cell(ctx, c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		result.print(os.Stdout)
		r.Cells = append(r.Cells, result)
	}
	return nil
}

// cell lets the contenders take turns at one.
func (b *bench) cell(ctx context.Context, c cell) (result, error) {
	turns := make(map[string][]sample)
	var names []string
	for round := range b.scale.Rounds {
		if err := b.enter(ctx, c.delayed); err != nil {
			return result{}, err
		}
		names = names[:0]
		for _, contender := range b.contenders(c, turn{round, b.scale.Rounds, b.scale.Seconds}) {
			got, err := contender.measure(ctx)
			if err != nil {
				return result{}, err
			}
			names = append(names, contender.name)
			turns[contender.name] = append(turns[contender.name], got)
		}
	}
	return judge(c, names, turns), nil
}

// contender is who takes a turn at a cell.
type contender struct {
	name    string
	measure func(context.Context) (sample, error)
}

// contenders are those that take a turn at a cell in the open stand, ours first.
func (b *bench) contenders(c cell, t turn) []contender {
	var list []contender
	l := b.stand.lun
	for _, s := range b.stand.servers {
		list = append(list, contender{s.name(), func(ctx context.Context) (sample, error) {
			return measure(ctx, s, c.job, l.size, t)
		}})
	}
	for _, p := range c.raw {
		list = append(list, contender{p.name(), func(ctx context.Context) (sample, error) {
			return p.run(ctx, l, t.seconds)
		}})
	}
	return list
}

// enter makes sure that there is a stand: for a far LUN always a new one, as
// what was read through it must not be cached.
func (b *bench) enter(ctx context.Context, far bool) error {
	if b.stand != nil && b.stand.proxy == nil && !far {
		return nil
	}
	if err := b.leave(); err != nil {
		return err
	}
	var err error
	b.stand, err = openStand(ctx, b.options, b.scene, far)
	return err
}

// leave closes the stand, after a look at the memory that its servers took.
func (b *bench) leave() error {
	if b.stand == nil {
		return nil
	}
	var errs []error
	for _, s := range b.stand.servers {
		peak, err := peakMemory(s.pid())
		b.peaks[s.name()] = max(b.peaks[s.name()], peak)
		errs = append(errs, err)
	}
	errs = append(errs, b.stand.close())
	b.stand = nil
	return errors.Join(errs...)
}
