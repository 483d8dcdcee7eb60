"""The procurement report: one content, five dresses. It formats a plan and adds up what it shows."""
