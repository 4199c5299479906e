package main

import (
	"context"

	"github.com/rs/zerolog"

	"github.com/iscsifs/iscsifs/cmd/internal/daemon"
	"github.com/iscsifs/iscsifs/cmd/internal/metrics"
	"github.com/iscsifs/iscsifs/config"
)

// scrapes are the metrics of a mount; the zero value is for one that serves none.
type scrapes struct{ server *metrics.Server }

// listenForScrapes takes the configured address before anything is contacted: a port
// that is in use ends the mount.
func listenForScrapes(ctx context.Context, cfg *config.Config) (scrapes, error) {
	if cfg.Metrics.Listen == "" {
		return scrapes{}, nil
	}
	server, err := metrics.Listen(ctx, cfg.Metrics.Listen)
	return scrapes{server}, err
}

// serve answers until ctx ends.
func (s scrapes) serve(ctx context.Context, d *daemon.Daemon, log zerolog.Logger) {
	if s.server == nil {
		return
	}
	log.Info().Str("address", s.server.Address()).Msg("metrics are served at /metrics")
	if err := s.server.Serve(ctx, version, d.Metrics); err != nil {
		log.Error().Err(err).Msg("metrics are served no more; the mount goes on without")
	}
}

// Close gives the address back.
func (s scrapes) Close() {
	if s.server != nil {
		_ = s.server.Close() // served or not, nobody listens any more
	}
}
