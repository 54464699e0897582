"""ZeroMQ around sessions: wire format, engine, gateway and subscriber. Computes nothing."""
