// Private endpoints of the storage account and of a new Premium registry, and the names they are found by.

@description('Ends the names.')
param token string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('The virtual network.')
param networkId string

@description('The subnet of the endpoints.')
param subnetId string

@description('The storage account.')
param storageId string

@description('The registry; empty for none.')
param registryId string

var storageEndpoints = [
  {
    name: 'blob'
    target: storageId
    zone: 'privatelink.blob.${environment().suffixes.storage}'
  }
  {
    name: 'table'
    target: storageId
    zone: 'privatelink.table.${environment().suffixes.storage}'
  }
]
var registryEndpoint = {
  name: 'registry'
  target: registryId
  zone: 'privatelink${environment().suffixes.acrLoginServer}'
}
var wanted = concat(storageEndpoints, empty(registryId) ? [] : [registryEndpoint])

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [for endpoint in wanted: {
  name: endpoint.zone
  location: 'global'
  tags: tags
}]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for (endpoint, i) in wanted: {
  parent: zones[i]
  name: 'registrail-${token}'
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: {
      id: networkId
    }
  }
}]

resource endpoints 'Microsoft.Network/privateEndpoints@2024-07-01' = [for endpoint in wanted: {
  name: 'pep-${endpoint.name}-${token}'
  location: location
  tags: tags
  properties: {
    subnet: {
      id: subnetId
    }
    privateLinkServiceConnections: [
      {
        name: endpoint.name
        properties: {
          privateLinkServiceId: endpoint.target
          groupIds: [endpoint.name]
        }
      }
    ]
  }
}]

resource groups 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-07-01' = [for (endpoint, i) in wanted: {
  parent: endpoints[i]
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: endpoint.name
        properties: {
          privateDnsZoneId: zones[i].id
        }
      }
    ]
  }
}]
