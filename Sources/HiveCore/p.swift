import HiveNet
