"""The event base: ready queue, pollers, timers, scopes. It knows no stream and no transport."""
