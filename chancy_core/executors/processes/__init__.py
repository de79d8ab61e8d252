"""Child processes that run jobs: started by a process of their own, kept warm, watched, killed when they must be."""
