"""The cost model in tuners that are not ours."""
