"""Adapters that send metrics elsewhere; none is used unless asked for."""
