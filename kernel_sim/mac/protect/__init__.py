"""Link protection. Pure."""
