internal import CNetlink
internal import CNftables
func probe() -> Int { Int(IFLA_IFNAME) + Int(NFT_MSG_NEWTABLE.rawValue) }
