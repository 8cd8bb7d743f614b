// Sign-in with Entra, in front of the app.

@description('The function app.')
param appName string

@description('Client id of the Entra application.')
param clientId string

@description('Whether who has not signed in is turned away.')
param required bool

resource app 'Microsoft.Web/sites@2024-11-01' existing = {
  name: appName
}

resource auth 'Microsoft.Web/sites/config@2024-11-01' = {
  parent: app
  name: 'authsettingsV2'
  properties: {
    platform: {
      enabled: true
    }
    globalValidation: {
      requireAuthentication: required
      unauthenticatedClientAction: required ? 'RedirectToLoginPage' : 'AllowAnonymous'
      redirectToProvider: 'azureActiveDirectory'
      // Senders have keys of the host; probes of health have nothing.
      excludedPaths: ['/api/health', '/hooks/acr', '/hooks/distribution', '/hooks/eventgrid', '/hooks/harbor']
    }
    httpSettings: {
      requireHttps: true
    }
    identityProviders: {
      azureActiveDirectory: {
        enabled: true
        registration: {
          clientId: clientId
          // No secret: a setting of this name means the identity in it, which the application trusts (docs/deploy.md).
          clientSecretSettingName: 'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID'
          openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
        }
        validation: {
          allowedAudiences: [clientId, 'api://${clientId}']
        }
      }
    }
    login: {
      tokenStore: {
        enabled: false
      }
    }
  }
}
