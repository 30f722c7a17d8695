"""The simulated illumos kernel: GLDv3 mac layer, overlay driver, VNICs, etherstubs."""
