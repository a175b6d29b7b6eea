"""All kernels that grow trees."""
