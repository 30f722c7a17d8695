"""Search plugins that come with varpd. They are registered like anybody else's, through entry points."""
