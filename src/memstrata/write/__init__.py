"""The writing path: event → segment → index → journal."""
